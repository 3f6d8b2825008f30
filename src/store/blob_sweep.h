// Finds the blobs that nothing needs any longer and removes them. What counts as needed is found generously:
// any SHA-256 in a text of the database, or in a manifest that the database names, keeps its blob. So a table
// that is added later keeps what it names without a word here.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace trimtab::store {

class Home;

struct SweepOptions {
  // A blob that was put less than this ago stays: the row that names it may be on its way. Zero where nobody
  // else writes.
  TimeUs young_us = 0;
  // Results of steps that finished before this moment are forgotten when nothing else needs a file of theirs;
  // the step runs again when it is asked for.
  TimeUs results_before = 0;
  // As if the files of these roots were forgotten already; of a dry run.
  std::set<std::string> roots_going;
  bool dry_run = false;
};

struct SweepReport {
  std::int64_t results_removed = 0;  // Of steps.
  std::int64_t blobs_removed = 0;
  std::uint64_t bytes_removed = 0;
  std::int64_t blobs_kept = 0;
  std::uint64_t bytes_kept = 0;
  std::int64_t blobs_young = 0;  // Unused but put a moment ago; among those kept.
};

// Idempotent, and safe to interrupt anywhere: rows go before the blobs that they name. Others may put blobs
// and commit rows meanwhile; nobody may take up the result of a step. Errors: storage_full, storage_broken.
Result<SweepReport> sweep_blobs(Home& home, const SweepOptions& options);

}  // namespace trimtab::store

// What was deleted long enough ago is removed for good: runs with their metrics, params, tags and files,
// logged models, versions, and experiments, whose names are free again. The blobs are left to
// store::sweep_blobs.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "store/home.h"

namespace trimtab::registry {

struct PurgeReport {
  std::int64_t experiments = 0;
  std::int64_t runs = 0;
  std::int64_t logged_models = 0;
  std::int64_t versions = 0;  // Of registered models; number and history stay.
  std::int64_t metric_points = 0;
  std::int64_t files = 0;
  std::uint64_t file_bytes = 0;   // As the artifacts count them; a blob may have several names.
  std::vector<std::string> kept;  // Sentences: what is old enough and stays, and why.
  std::set<std::string> roots;    // Of the artifacts that go, or went.
};

// Removes what was deleted at or before `deleted_before` (of the home's clock), a hundred runs a write, so
// that requests come between. What a version that is not deleted came from stays: its run, its logged model.
// With `dry_run` only says what would go. Idempotent; safe to interrupt anywhere. Each write has its audit
// row. Not on the commit thread. Errors: storage_full, storage_broken.
Result<PurgeReport> purge_deleted(store::Home& home, const base::Clock& clock, TimeUs deleted_before,
                                  const std::string& actor, bool dry_run);

// The runs that ended at or before `ended_before`, are not deleted, and that no version in use came from.
Result<std::vector<std::string>> ended_runs(store::Home& home, TimeUs ended_before);

}  // namespace trimtab::registry

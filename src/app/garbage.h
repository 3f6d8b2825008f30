// `trimtab gc`: removing for good, in this process or in the server that owns the home.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "project/project.h"
#include "registry/orphan_files.h"
#include "registry/purge.h"
#include "registry/run_book.h"
#include "store/blob_sweep.h"
#include "store/home.h"

namespace trimtab::app {

struct GarbageWish {
  TimeUs deleted_for = 30 * base::kDayUs;  // What was deleted longer ago goes.
  TimeUs results_unused_for =
      30 * base::kDayUs;                       // Results of steps that are older and that nothing needs go.
  std::optional<TimeUs> runs_kept_for;         // Runs that ended longer ago are deleted.
  std::optional<TimeUs> predictions_kept_for;  // Predictions that were given longer ago leave the log.
  bool dry_run = false;

  Json to_json() const;
  // What a project's retention asks, then what `json` says besides. Errors: invalid (a duration that is
  // none).
  static Result<GarbageWish> from_json(const Json& json, const std::optional<project::Retention>& retention);
};

struct GarbageReport {
  bool dry_run = false;
  std::int64_t runs_expired = 0;  // Deleted, not yet for good.
  std::uint64_t log_bytes = 0;    // Of predictions.
  registry::PurgeReport purged;
  registry::OrphanFiles orphans;
  store::SweepReport swept;
  std::uint64_t database_bytes_before = 0;
  std::uint64_t database_bytes_after = 0;

  std::string to_text() const;
  Json to_json() const;  // With the text.
};

// Runs what it is given while no step is run and no result of one taken up, and waits for it.
using BetweenSteps = std::function<Status(std::function<Status()>)>;

// `young_us`: see store::SweepOptions. Errors: storage_full, storage_broken.
Result<GarbageReport> collect_garbage(store::Home& home, registry::RunBook& runs, const base::Clock& clock,
                                      const GarbageWish& wish, const std::string& actor, TimeUs young_us,
                                      const BetweenSteps& between_steps);

// "1.2 GB"
std::string bytes_text(std::uint64_t bytes);

}  // namespace trimtab::app

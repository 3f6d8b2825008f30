// The rows of runs in the database: what the book writes and loads, and what registering a version writes
// beside it. Every function runs inside a write or a read of store::Database.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "registry/metric_batch.h"
#include "registry/run_columns.h"
#include "registry/run_facts.h"
#include "store/connection.h"

namespace trimtab::registry {

// What a write needs to know of its run.
struct RunKey {
  std::int64_t number = 0;
  std::int64_t experiment_id = 0;
  RunStatus status = RunStatus::running;
  bool is_deleted = false;
};

// Errors: not_found (no such run), with MLflow's words; `active`: also invalid (it is deleted).
Result<RunKey> find_run(store::Connection& connection, std::string_view run_id);
Result<RunKey> find_active_run(store::Connection& connection, std::string_view run_id);

// The artifact location of an experiment that takes runs. Errors: not_found, invalid (it is deleted).
Result<std::string> active_experiment_location(store::Connection& connection, std::int64_t experiment_id);

// The number of a new experiment, which none had before: a client may still hold it.
Result<std::int64_t> next_experiment_id(store::Connection& connection);

// Returns the run's number, which no run had before: a book in memory knows runs by it. `info.artifact_uri`
// is not kept: it follows from the experiment.
Result<std::int64_t> insert_run(store::Connection& connection, const RunInfo& info);
Status put_tag(store::Connection& connection, std::int64_t run, const KeyValue& tag);
// A param that is there with the same value is left alone. Returns the value it has when that is another.
Result<std::optional<std::string>> put_param(store::Connection& connection, std::int64_t run,
                                             const KeyValue& param);
// A dataset that the experiment knows keeps what was said of it first; a run that has it keeps its tags.
// Returns whether it is new to the run.
Result<bool> add_dataset(store::Connection& connection, std::int64_t experiment_id, std::int64_t run,
                         const DatasetInput& input);
// `direction` is "input" or "output". Returns whether it is new to the run.
Result<bool> add_model_link(store::Connection& connection, std::int64_t run, const char* direction,
                            const ModelLink& link);
// `sequence` is greater than that of any row before.
Status append_journal(store::Connection& connection, std::int64_t sequence, std::int64_t run,
                      std::string_view body);
Result<std::int64_t> last_journal_sequence(store::Connection& connection);
// Writes points straight into blocks, with their summary: for a run that ends as it is written.
Status write_sealed(store::Connection& connection, std::int64_t run, const MetricBatch& batch);
// A block of a metric; one that is there under the same ordinal is replaced.
struct BlockRow {
  std::string key;
  std::int64_t ordinal = 1;
  std::int64_t points = 0;
  std::string body;
};
Status put_block(store::Connection& connection, std::int64_t run, const BlockRow& block);
// Makes the blocks that keep `points` (one metric's, in any order) after the last block of the metric, which
// is made anew when it is small. Reads only. Each point is kept once.
Result<std::vector<BlockRow>> make_blocks(store::Connection& connection, std::int64_t run,
                                          const std::string& key, std::vector<MetricCell> points,
                                          bool has_blocks);
Status put_summary(store::Connection& connection, std::int64_t run, const MetricBatch& latest);

// Adds to `columns` every run that it lacks and whose number is greater than `after`, with all that belongs
// to it; journaled points become tails, as if they had come at `now`. Points that cannot be read are left out
// with a line in the log: fsck tells of them. Returns the greatest number there is.
Result<std::int64_t> load_runs(store::Connection& connection, std::int64_t after, TimeUs now,
                               RunColumns& columns);
// Adds that one run to `columns`, which lacks it.
Status load_run(store::Connection& connection, std::int64_t number, RunColumns& columns);
// Appends the sealed points of a metric to `points`, block by block.
Status load_blocks(store::Connection& connection, std::int64_t run, std::string_view key,
                   std::uint32_t key_id, std::vector<MetricCell>& points);

}  // namespace trimtab::registry

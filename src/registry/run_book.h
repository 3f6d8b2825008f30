// The runs of a home: written through the group commit, read from memory. A request becomes journal rows; the
// book's columns in memory follow when they are durable, so a reader never sees what a crash could take back.
// Metric points are journaled as they come, kept as a tail in memory, and sealed into compressed blocks off
// the commit path.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "registry/run_facts.h"
#include "store/home.h"

namespace trimtab::registry {

struct NewRun {
  std::int64_t experiment_id = 0;
  std::string name;  // Empty: one is made from the id.
  std::string user_id;
  std::int64_t start_ms = 0;
  std::vector<KeyValue> tags;
};

struct RunChange {
  std::optional<RunStatus> status;
  std::optional<std::int64_t> end_ms;
  std::optional<std::string> name;
};

// Which runs, in what order, which page.
struct RunSearch {
  std::vector<std::int64_t> experiment_ids;
  std::string filter;  // MLflow's grammar, and OR and parentheses beside it.
  std::vector<std::string> order_by;
  bool with_active = true;
  bool with_deleted = false;
  std::int64_t max_results = 1000;
  std::int64_t offset = 0;
};

struct RunPage {
  std::vector<RunFacts> runs;
  bool has_more = false;
};

struct HistoryPage {
  std::vector<MetricPoint> points;  // By (timestamp, step, value), as MLflow orders them.
  bool has_more = false;
};

// Thread-safe. Reads touch no disk, history of sealed points apart. `done` of a write is called once, on the
// commit thread after the fsync, when the book already shows the change; it must be quick.
class RunBook {
 public:
  using Done = std::function<void(Status)>;
  using DoneRun = std::function<void(Result<RunFacts>)>;

  // Reads what the home holds (half a second for 100,000 runs) and starts sealing in the background. One book
  // a home.
  static Result<std::unique_ptr<RunBook>> open(store::Home& home, const base::Clock& clock);
  ~RunBook();

  // Errors: not_found (experiment), invalid (experiment deleted; names and limits).
  void create(NewRun run, DoneRun done);
  // All or nothing. Errors: not_found, invalid (run deleted; a param with another value than before; limits),
  // with MLflow's words.
  void log(std::string run_id, RunBatch batch, Done done);
  void change(std::string run_id, RunChange change, DoneRun done);
  void delete_tag(std::string run_id, std::string key, Done done);
  void add_inputs(std::string run_id, std::vector<DatasetInput> datasets, std::vector<ModelLink> models,
                  Done done);
  void add_outputs(std::string run_id, std::vector<ModelLink> models, Done done);
  void set_deleted(std::string run_id, bool deleted, Done done);

  Result<RunFacts> find(std::string_view run_id) const;
  // The experiment of a run. Errors: not_found.
  Result<std::int64_t> experiment_of(std::string_view run_id) const;
  // The JSON text of one run as MLflow's runs/get gives it ({"run":{…}}), without a tree in between.
  Result<std::string> find_json(std::string_view run_id) const;
  // Errors: invalid (the filter, the order, with MLflow's words and the position), deadline.
  Result<RunPage> search(const RunSearch& search) const;
  // Errors: not_found (run). An unknown key has no points. `max_results` 0: all.
  Result<HistoryPage> history(std::string_view run_id, std::string_view key, std::int64_t max_results,
                              std::int64_t offset) const;
  // At most `max_points` of a metric: the least and the greatest of each of max_points / 2 stretches of
  // steps.
  Result<std::vector<MetricPoint>> sampled_history(std::string_view run_id, std::string_view key,
                                                   std::int64_t max_points) const;

  // Leases: a run with the tag "trimtab.lease" ("10m"), its own or at its making its experiment's, says that
  // it writes at least so often. Every write to it is a heartbeat, and so is this, which touches no disk. A
  // server's start is one for every run. Errors: not_found (the run).
  Status heartbeat(std::string_view run_id);
  // Marks the running runs whose lease is over as FAILED, ended at their last heartbeat, with the tag
  // "trimtab.lease_ended" and an audit row. Returns their ids. Not on the commit thread.
  Result<std::vector<std::string>> end_overdue_leases();

  // Takes in runs that were written beside the book. registry::register_version does this by itself.
  Status catch_up();
  // Seals what can be sealed now; a test's way to wait for the background.
  Status seal_now();

 private:
  struct State;
  explicit RunBook(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace trimtab::registry

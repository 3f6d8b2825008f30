// The order of things: which steps bring a project's rows from files to a judged model. Each function asks
// the executor for the steps it needs; with a dry-run executor the same code is the plan.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "features/frame.h"
#include "flow/candidate.h"
#include "flow/executor.h"
#include "flow/table_refresh.h"
#include "project/project.h"
#include "store/home.h"
#include "table/engine.h"
#include "table/snapshot.h"

namespace trimtab::flow {

// How a training differs from the project file's: healing trains on what is known now and judges on the
// newest.
struct TrainingRequest {
  std::string model;
  TimeUs as_of = 0;
  std::optional<TimeUs> test_from;
  std::optional<std::string> champion_manifest;   // Manifest blob of the version to compare with.
  std::vector<TimeUs> changes = {};               // Of the world, ascending: older rows may weigh less.
  std::optional<TimeUs> train_from = {};          // Older rows are not learnt from.
  std::vector<features::TimeSpan> left_out = {};  // Rows that are neither learnt from nor judged on.
};

// When a row's label is known: what the project says, else `label_delay` after the event time.
table::NamedExpression label_time_of(const project::Model& model, const std::string& time_column);

// One model's way from files to a judged candidate. The passes of Pipeline fill it in, in their order.
struct Journey {
  const project::Model& model;
  const project::Table& table;
  TrainingRequest request;
  ProgressListener& listener;
  PreparedTable prepared = {};  // enter, clean, check, profile
  TaskResult frame = {};        // shape
  Task training = {};           // shape: the training step, not yet run
  TaskResult fitted = {};       // fit
  TaskResult judged = {};       // judge
  Candidate candidate = {};     // judge
};

// Belongs to one thread. Keeps what it learnt about files and schemas between calls.
class Pipeline {
 public:
  Pipeline(const project::Project& project, store::Home& home, table::Engine& engine, Executor& executor,
           const base::Clock& clock);
  ~Pipeline();

  // Validates everything that needs schemas: recipes, checks, features. All diagnostics at once.
  Status validate(ProgressListener& listener);
  // Ingests what is new of a source (files, and rows that arrived) up to `as_of`.
  Result<table::Snapshot> refresh_source(const std::string& name, TimeUs as_of, ProgressListener& listener);
  // Ingests, cleans, checks and profiles what is new. Errors: check_failed from a row check that says so.
  Result<PreparedTable> prepare(const std::string& table, TimeUs as_of, ProgressListener& listener);

  Journey set_out(TrainingRequest request, ProgressListener& listener) const;
  // The passes, in this order. app/life_of_a_row.cc says what each means for a row.
  Status enter(Journey& journey);
  Status clean(Journey& journey);
  Status check(Journey& journey);
  Status profile(Journey& journey);
  Status check_whole(Journey& journey);
  Status shape(Journey& journey);
  Status fit(Journey& journey);
  Status judge(Journey& journey);
  // All of them. Errors: check_failed, and the steps' own.
  Result<Candidate> train(TrainingRequest request, ProgressListener& listener);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace trimtab::flow

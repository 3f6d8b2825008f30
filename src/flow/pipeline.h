// The order of things: which steps bring a project's rows from files to a judged model. Each function asks the
// executor for the steps it needs; with a dry-run executor the same code is the plan.
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
#include "flow/candidate.h"
#include "flow/executor.h"
#include "flow/table_refresh.h"
#include "project/project.h"
#include "store/home.h"
#include "table/engine.h"
#include "table/snapshot.h"

namespace trimtab::flow {

// How a training differs from the project file's: healing trains on what is known now and judges on the newest.
struct TrainingRequest {
  std::string model;
  TimeUs as_of = 0;
  std::optional<TimeUs> test_from;
  std::optional<std::string> champion_manifest;  // Manifest blob of the version to compare with.
};

// When a row's label is known: what the project says, else `label_delay` after the event time.
table::NamedExpression label_time_of(const project::Model& model, const std::string& time_column);

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
  // The key that the training step of this request has. Runs what comes before it.
  Result<std::string> training_key(const TrainingRequest& request, ProgressListener& listener);
  // prepare, the table's whole checks, frame, train, judge. Errors: check_failed, and the steps' own.
  Result<Candidate> train(const TrainingRequest& request, ProgressListener& listener);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace trimtab::flow

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
#include "flow/executor.h"
#include "judge/gates.h"
#include "model/artifact.h"
#include "project/project.h"
#include "store/home.h"
#include "table/engine.h"
#include "table/snapshot.h"

namespace trimtab::flow {

struct PreparedTable {
  table::Snapshot source;              // The rows as they came.
  table::Snapshot kept;                // Cleaned, checked; quarantined rows left out.
  Json checks;                         // Results of all checks, row checks summed over the parts.
  std::int64_t quarantined = 0;
  bool pending = false;                // Dry run, with steps still to do.
};

struct Candidate {
  std::string step_key;                // Of the training step; registers at most once.
  std::map<std::string, OutputFile> files;  // The artifact's files.
  Json metrics;                        // name → Measure, on the test rows.
  std::vector<judge::GateResult> gates;
  Json facts;                          // rows, rounds, times, parents: for run params and lineage.
  bool pending = false;
};

// How a training differs from the project file's: healing trains on what is known now and judges on the newest.
struct TrainingRequest {
  std::string model;
  TimeUs as_of = 0;
  std::optional<TimeUs> test_from;
  std::optional<std::string> champion_manifest;  // Manifest blob of the version to compare with.
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
  // Ingests, cleans, checks and profiles what is new. Errors: check_failed from a table check.
  Result<PreparedTable> prepare(const std::string& table, TimeUs as_of, ProgressListener& listener);
  // prepare, frame, train, judge.
  Result<Candidate> train(const TrainingRequest& request, ProgressListener& listener);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace trimtab::flow

// Desired state against actual state: what would be done, and why. The plan is the pipeline itself, run by an
// executor that executes nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "flow/executor.h"
#include "project/project.h"
#include "store/home.h"
#include "table/engine.h"

namespace trimtab::plan {

// Steps of one kind on one subject, or one change of the record.
struct PlannedChange {
  enum class Action : std::uint8_t { create, update, reuse };
  Action action = Action::create;  // Printed as +, ~ and =.
  std::string kind;                // "ingest", "train", …; "model", "endpoint"
  std::string subject;             // "flights", "late"
  std::int64_t count = 1;          // Steps.
  std::string why;                 // "new", "its parameters changed: …", "its input changes"
};

struct Plan {
  std::string project;
  TimeUs as_of = 0;
  std::vector<PlannedChange> changes;  // In the order of a row's life.
  std::vector<std::string> notes;      // "departures: drop_duplicates by … needs the whole table"
  std::vector<std::string> refusals;   // "late: version 2 was refused by its gates: …"; apply says so again.
  std::vector<std::string> waiting;    // "late: version 2 waits for approval"
  std::vector<std::string> warnings;   // What of the sources could not be read: "source a: 1 row left: …".
  std::int64_t to_run = 0;
  std::int64_t reused = 0;

  bool is_empty() const { return to_run == 0 && changes_of_record == 0; }
  std::int64_t changes_of_record = 0;  // Models to register, endpoints to open.
  Json to_json() const;
  std::string to_text() const;  // For a terminal; ends with what to type next.
};

// Everything that planning and applying work with.
struct Workplace {
  const project::Project& project;
  store::Home& home;
  table::Engine& engine;
  const base::Clock& clock;
  flow::ExecutorOptions executor;  // dry_run is set here as needed.
  std::string actor = "cli";       // Who applies, for the audit.
};

// The time that a command sees: --as-of, else the project's, else the clock's.
TimeUs as_of_for(const project::Project& project, std::optional<TimeUs> given, const base::Clock& clock);

// Errors: all diagnostics of the project against its data.
Result<Plan> make_plan(const Workplace& workplace, TimeUs as_of);

}  // namespace trimtab::plan

// Makes the actual state the declared one: runs the steps that are missing, registers what they made, opens
// endpoints.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "flow/pipeline.h"
#include "plan/plan.h"

namespace trimtab::plan {

struct ApplyReport {
  struct Model {
    std::string model;
    std::int64_t version = 0;
    bool is_new = false;  // Registered by this apply, or refused before and accepted now.
    bool gates_passed = false;
    Json metrics;
    Json gates;
    bool judged_again = false;  // Known before; its gates have changed since.
    bool waits = false;         // For approval.
  };
  std::vector<Model> models;
  std::vector<std::string> promoted;    // "endpoint late: version 1"
  std::vector<std::string> rolled_out;  // The same, of those that come to answer by a rollout, …
  std::vector<std::string> waiting;     // … and of those that wait for a person's approval.
  std::vector<std::string> warnings;    // What of the sources could not be read and was gone on without.
  std::int64_t steps_run = 0;

  // Each line once: models share sources.
  void warn(const std::vector<std::string>& lines);
  bool did_nothing() const;
  Json to_json() const;
  std::string to_text() const;
};

// The passes of an apply beside those of flow::Pipeline; app/life_of_a_row.cc calls them in order.
// Keeps the project file as it was applied. An unchanged file leaves no trace.
Status remember(const Workplace& workplace, TimeUs as_of);
// True when this very training is in the record, judged by these very gates: the row's life goes on with the
// version that it made. Errors: check_failed when they had refused it.
Result<bool> recall(const Workplace& workplace, const flow::Journey& journey, ApplyReport& report);
// Puts the version that serves now beside the candidate, to be scored on the same rows.
Status face_champion(const Workplace& workplace, flow::Journey& journey);
// Registers the candidate with its gates' verdicts; a version that is known, whose gates have changed, is
// decided about anew. Errors: check_failed when a gate refuses it (it is kept as refused, or stays what it
// was; so does the champion).
Status enlist(const Workplace& workplace, const flow::Journey& journey, ApplyReport& report);
// Opens the endpoint, and lets a version that this apply made answer. A champion that healing chose later
// stays. `on_promoted(endpoint)` is called after a champion changed, so that a running server can load it.
Status open_endpoint(const Workplace& workplace, const project::Endpoint& endpoint, ApplyReport& report,
                     const std::function<Status(const std::string& endpoint)>& on_promoted);

}  // namespace trimtab::plan

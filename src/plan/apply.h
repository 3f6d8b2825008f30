// Makes the actual state the declared one: runs the steps that are missing, registers what they made, opens endpoints.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "plan/plan.h"

namespace trimtab::plan {

struct ApplyReport {
  struct Model {
    std::string model;
    std::int64_t version = 0;
    bool is_new = false;
    bool gates_passed = false;
    Json metrics;
    Json gates;
  };
  std::vector<Model> models;
  std::vector<std::string> promoted;    // "endpoint late: version 1"
  std::int64_t steps_run = 0;

  bool did_nothing() const;
  Json to_json() const;
  std::string to_text() const;
};

// Makes the actual state the desired one. Re-running after a crash goes on where it stopped. `on_promoted(endpoint)`
// is called after a champion changed, so that a running server can load it. Errors: those of plan and of the steps;
// check_failed when a gate refuses a new version (it is registered as refused; the champion stays).
Result<ApplyReport> apply(const Workplace& workplace, TimeUs as_of, flow::ProgressListener& listener,
                          const std::function<Status(const std::string& endpoint)>& on_promoted);

}  // namespace trimtab::plan

// What the record knows of a training already: the version that it made, and how the gates decided about it.
#pragma once

#include <optional>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "flow/pipeline.h"
#include "plan/plan.h"
#include "registry/record.h"

namespace trimtab::plan {

struct KnownVersion {
  registry::VersionFacts facts;
  Json gates;  // Their results, as registry::gates_json has them.

  bool is_refused() const { return facts.gates == "refused"; }
  bool waits() const { return facts.gates == "open"; }  // For approval.
};

// The version that this very training made, judged by the gates as they are declared now. Nothing when there
// is none, when its gates were other ones (then it is to be judged again), or when a plan cannot know its
// step yet.
Result<std::optional<KnownVersion>> find_known(const Workplace& workplace, const flow::Journey& journey);

// "auc >= 0.9, found 0.71; slice(origin).auc >= 0.6 (no slice of origin has 50 rows)"
std::string refused_gates(const Json& gates);
// check_failed, with the gates that refused it and what to do.
Error refusal(const std::string& model, std::int64_t version, const Json& gates);

}  // namespace trimtab::plan

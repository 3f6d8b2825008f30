// The small languages of limits: gates ("slice(origin).auc >= 0.62"), health ("<= 7d") and the names of
// metrics that both use. Text in, values out; whether a metric fits a model is decided where the model is
// known.
#pragma once

#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "project/project.h"

namespace trimtab::project {

struct Metric {
  std::string_view name;
  std::optional<Task> task;  // That it belongs to; none: any.
  bool in_gates = true;
  bool in_health = true;
  bool in_slices = true;   // Can be measured on part of the rows.
  bool of_groups = false;  // Compares groups: fairness(column).metric.
  bool more_is_better = false;
  bool takes_zero = true;  // A perfect model may have exactly 0 of it.
  // No value lies above; the least is 0.
  double most = std::numeric_limits<double>::infinity();
};

std::span<const Metric> metrics();
const Metric* find_metric(std::string_view name);

// Errors: invalid (what was found instead, with its place and an example; a limit that is the wrong way
// round, can never hold or never fail). `where` is the place of the text's first character.
Result<Gate> parse_gate(const std::string& text, const SourceRange& where);
// CHECKs that there is such a metric. Errors: invalid, as above.
Result<HealthLimit> parse_health_limit(const std::string& metric, const std::string& text,
                                       const SourceRange& where);

}  // namespace trimtab::project

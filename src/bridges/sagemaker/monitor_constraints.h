// `constraints.json` of SageMaker Model Monitor, what follows from it for a trimtab.yaml, and the
// `constraint_violations.json` that a dataset makes of it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "bridges/sagemaker/monitor_statistics.h"

namespace trimtab::bridges {

struct ColumnConstraint {
  std::string name;
  std::string inferred_type = "Unknown";
  std::optional<double> completeness;  // Share of rows that must have a value.
  bool is_non_negative = false;
  std::vector<std::string> domain;  // Of a text; empty: any.
};

struct MonitorConstraints {
  std::vector<ColumnConstraint> columns;
  double datatype_share = 0.1, domain_share = 0.1;  // Of values that may be otherwise.
  double numeric_distance = 0.1, text_distance = 0.1;
  bool compares_distributions = true;
  bool is_robust = true;  // comparison_method Robust: the distance less what small samples differ by.

  Json to_json() const;
  // Errors: invalid.
  static Result<MonitorConstraints> from_json(const Json& json);
  // What the monitor's own baseline job would suggest: every column as complete as it was, texts with at most
  // kDomainMax different values within them, numbers that were never negative non-negative.
  static constexpr std::int64_t kDomainMax = 50;
  static MonitorConstraints suggest(const MonitorStatistics& statistics);
};

// {"violations":[{"feature_name","constraint_check_type","description"}]}. Checks: data_type_check,
// completeness_check, non_negativity_check, categorical_values_check, missing_column_check,
// extra_column_check and, against the baseline's statistics, baseline_drift_check (the largest difference of
// the distribution functions on the buckets; Robust: less 1.8·sqrt((n+m)/(nm)), as Deequ has it).
Json find_violations(const MonitorConstraints& constraints, const MonitorStatistics* baseline,
                     const MonitorStatistics& current);

// The checks that say the same in a trimtab.yaml, as YAML to be reviewed and pasted below `checks:` of a
// table. With the baseline's statistics, ranges of numbers are proposed, too.
std::string propose_checks(const MonitorConstraints& constraints, const MonitorStatistics* baseline);

}  // namespace trimtab::bridges

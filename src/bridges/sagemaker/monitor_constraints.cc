#include "bridges/sagemaker/monitor_constraints.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <set>

namespace trimtab::bridges {
namespace {

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f%%", 100 * share);
  return text;
}

double present_share(const MonitoredColumn& column) {
  const std::int64_t rows = column.present + column.missing;
  return rows == 0 ? 1 : static_cast<double>(column.present) / static_cast<double>(rows);
}

Json on_off(bool on) { return on ? "Enabled" : "Disabled"; }

Json config_json(const MonitorConstraints& constraints) {
  Json distribution = Json::object({{"perform_comparison", on_off(constraints.compares_distributions)}});
  distribution.set("comparison_threshold", constraints.numeric_distance);
  distribution.set("comparison_method", constraints.is_robust ? "Robust" : "Simple");
  distribution.set("categorical_comparison_threshold", constraints.text_distance);
  distribution.set("categorical_drift_method", "LInfinity");
  Json json = Json::object({{"evaluate_constraints", on_off(true)}, {"emit_metrics", on_off(true)}});
  json.set("datatype_check_threshold", constraints.datatype_share);
  json.set("domain_content_threshold", constraints.domain_share);
  return json.set("distribution_constraints", std::move(distribution));
}

tl::unexpected<Error> no_constraints(const std::string& what) {
  return fail(ErrorCode::invalid, "this is no constraints.json of Model Monitor: " + what,
              "export it from the baseline job's output, or from its S3 prefix");
}

Result<ColumnConstraint> read_constraint(const Json& json) {
  ColumnConstraint column;
  column.name = json.text_or("name");
  if (column.name.empty()) return no_constraints("a feature has no name");
  column.inferred_type = json.text_or("inferred_type", "Unknown");
  if (const Json& share = json["completeness"]; !share.is_null()) {
    if (!share.is_number() || share.as_double() < 0 || share.as_double() > 1)
      return no_constraints("the completeness of '" + column.name + "' is no share from 0 to 1");
    column.completeness = share.as_double();
  }
  column.is_non_negative = json["num_constraints"].bool_or("is_non_negative");
  const Json& domains = json["string_constraints"]["domains"];
  if (domains.is_array()) {
    for (const Json& value : domains.as_array())
      column.domain.push_back(value.is_string() ? value.as_string() : value.dump());
  }
  return column;
}

// Of a threshold the share of values that may be otherwise. The monitor's pages describe it as that share
// (0.1); its containers write 1.0 and report "Expected match: 100.0%", the share that must fit.
double share_allowed(const Json& config, const char* name) {
  const double threshold = std::clamp(config.double_or(name, 0.1), 0.0, 1.0);
  return threshold < 0.5 ? threshold : 1 - threshold;
}

// The violations of one dataset.
class Violations {
 public:
  void add(const std::string& column, const char* check, const std::string& description) {
    Json json = Json::object({{"feature_name", column}, {"constraint_check_type", check}});
    list_.push(json.set("description", description));
  }
  Json take() { return Json::object({{"violations", std::move(list_)}}); }

 private:
  Json list_ = Json::array();
};

bool is_number(const std::string& type) { return type == "Fractional" || type == "Integral"; }

void check_column(const MonitorConstraints& constraints, const ColumnConstraint& wanted,
                  const MonitoredColumn& found, Violations& out) {
  const bool fits = wanted.inferred_type == found.inferred_type || wanted.inferred_type == "Unknown" ||
                    (wanted.inferred_type == "Fractional" && found.inferred_type == "Integral");
  if (!fits) {
    out.add(wanted.name, "data_type_check",
            "Expected type " + wanted.inferred_type + ", observed type " + found.inferred_type + ".");
  }
  if (wanted.completeness && present_share(found) < *wanted.completeness) {
    out.add(wanted.name, "completeness_check",
            "Completeness " + percent(present_share(found)) + " is below the constraint of " +
                percent(*wanted.completeness) + ".");
  }
  if (wanted.is_non_negative && is_number(found.inferred_type) && found.min && *found.min < 0) {
    out.add(wanted.name, "non_negativity_check", "The least value is " + Json(*found.min).dump() + ".");
  }
  if (wanted.domain.empty() || !found.is_text() || found.present == 0) return;
  const std::set<std::string> known(wanted.domain.begin(), wanted.domain.end());
  std::int64_t unknown = 0;
  for (const auto& [value, count] : found.values) unknown += known.contains(value) ? 0 : count;
  const double share = static_cast<double>(unknown) / static_cast<double>(found.present);
  if (share > constraints.domain_share) {
    out.add(wanted.name, "categorical_values_check",
            percent(share) + " of the values are not in the domain, more than " +
                percent(constraints.domain_share) + ".");
  }
}

// Share of a column below `at`, evenly spread within a bucket.
double share_below(const MonitoredColumn& column, double at) {
  double below = 0;
  double all = 0;
  for (const MonitoredColumn::Bucket& bucket : column.buckets) {
    all += bucket.count;
    const double width = bucket.high - bucket.low;
    const double part = width > 0 ? std::clamp((at - bucket.low) / width, 0.0, 1.0) : at > bucket.low ? 1 : 0;
    below += bucket.count * part;
  }
  return all > 0 ? below / all : 0;
}

double number_distance(const MonitoredColumn& a, const MonitoredColumn& b) {
  double most = 0;
  for (const auto* column : {&a, &b}) {
    for (const MonitoredColumn::Bucket& bucket : column->buckets)
      most = std::max(most, std::abs(share_below(a, bucket.high) - share_below(b, bucket.high)));
  }
  return most;
}

double text_distance(const MonitoredColumn& a, const MonitoredColumn& b) {
  std::map<std::string, double> difference;
  for (const auto& [value, count] : a.values)
    difference[value] +=
        static_cast<double>(count) / static_cast<double>(std::max<std::int64_t>(1, a.present));
  for (const auto& [value, count] : b.values)
    difference[value] -=
        static_cast<double>(count) / static_cast<double>(std::max<std::int64_t>(1, b.present));
  double most = 0;
  for (const auto& [value, share] : difference) most = std::max(most, std::abs(share));
  return most;
}

void check_drift(const MonitorConstraints& constraints, const MonitoredColumn& before,
                 const MonitoredColumn& now, Violations& out) {
  if (before.is_text() != now.is_text() || before.present == 0 || now.present == 0) return;
  double distance = before.is_text() ? text_distance(before, now) : number_distance(before, now);
  const auto n = static_cast<double>(before.present);
  const auto m = static_cast<double>(now.present);
  if (constraints.is_robust) distance = std::max(0.0, distance - 1.8 * std::sqrt((n + m) / (n * m)));
  const double most = before.is_text() ? constraints.text_distance : constraints.numeric_distance;
  if (distance <= most) return;
  char text[128];
  std::snprintf(text, sizeof text, "Baseline drift distance: %.4f exceeds threshold: %g", distance, most);
  out.add(now.name, "baseline_drift_check", text);
}

// A name or value as a word of flow YAML.
std::string yaml_word(const std::string& text) { return Json(text).dump(); }

std::string yaml_list(const std::vector<std::string>& words) {
  std::string list;
  for (const std::string& word : words) list += (list.empty() ? "" : ", ") + yaml_word(word);
  return "[" + list + "]";
}

}  // namespace

Json MonitorConstraints::to_json() const {
  Json features = Json::array();
  for (const ColumnConstraint& column : columns) {
    Json json = Json::object({{"name", column.name}, {"inferred_type", column.inferred_type}});
    if (column.completeness) json.set("completeness", *column.completeness);
    if (is_number(column.inferred_type))
      json.set("num_constraints", Json::object({{"is_non_negative", column.is_non_negative}}));
    if (!column.domain.empty()) {
      Json domains = Json::array();
      for (const std::string& value : column.domain) domains.push(value);
      json.set("string_constraints", Json::object({{"domains", std::move(domains)}}));
    }
    features.push(std::move(json));
  }
  Json json = Json::object({{"version", 0.0}, {"features", std::move(features)}});
  return json.set("monitoring_config", config_json(*this));
}

Result<MonitorConstraints> MonitorConstraints::from_json(const Json& json) {
  if (!json["features"].is_array()) return no_constraints("'features' is missing");
  MonitorConstraints constraints;
  for (const Json& feature : json["features"].as_array())
    constraints.columns.push_back(TRY(read_constraint(feature)));
  const Json& config = json["monitoring_config"];
  constraints.datatype_share = share_allowed(config, "datatype_check_threshold");
  constraints.domain_share = share_allowed(config, "domain_content_threshold");
  const Json& distribution = config["distribution_constraints"];
  constraints.compares_distributions = distribution.text_or("perform_comparison", "Enabled") == "Enabled";
  constraints.numeric_distance = distribution.double_or("comparison_threshold", 0.1);
  constraints.text_distance = distribution.double_or("categorical_comparison_threshold", 0.1);
  constraints.is_robust = distribution.text_or("comparison_method", "Robust") == "Robust";
  return constraints;
}

MonitorConstraints MonitorConstraints::suggest(const MonitorStatistics& statistics) {
  MonitorConstraints constraints;
  for (const MonitoredColumn& found : statistics.columns) {
    ColumnConstraint column;
    column.name = found.name;
    column.inferred_type = found.inferred_type;
    column.completeness = present_share(found);
    column.is_non_negative = is_number(found.inferred_type) && found.min && *found.min >= 0;
    if (found.is_text() && found.distinct.value_or(0) <= kDomainMax) {
      for (const auto& [value, count] : found.values) column.domain.push_back(value);
    }
    constraints.columns.push_back(std::move(column));
  }
  return constraints;
}

Json find_violations(const MonitorConstraints& constraints, const MonitorStatistics* baseline,
                     const MonitorStatistics& current) {
  Violations out;
  std::set<std::string> wanted;
  for (const ColumnConstraint& column : constraints.columns) {
    wanted.insert(column.name);
    const MonitoredColumn* found = current.find(column.name);
    if (found == nullptr) {
      out.add(column.name, "missing_column_check", "The column is in the baseline, and not in the dataset.");
      continue;
    }
    check_column(constraints, column, *found, out);
    const MonitoredColumn* before = baseline == nullptr ? nullptr : baseline->find(column.name);
    if (before != nullptr && constraints.compares_distributions)
      check_drift(constraints, *before, *found, out);
  }
  for (const MonitoredColumn& column : current.columns) {
    if (!wanted.contains(column.name))
      out.add(column.name, "extra_column_check", "The column is in the dataset, and not in the baseline.");
  }
  return out.take();
}

std::string propose_checks(const MonitorConstraints& constraints, const MonitorStatistics* baseline) {
  std::vector<std::string> complete;
  std::string text;
  for (const ColumnConstraint& column : constraints.columns) {
    if (column.completeness && *column.completeness >= 1) complete.push_back(column.name);
  }
  if (!complete.empty()) text += "      - not_null: " + yaml_list(complete) + "\n";
  for (const ColumnConstraint& column : constraints.columns) {
    const std::string name = yaml_word(column.name);
    if (column.completeness && *column.completeness < 1 && *column.completeness > 0) {
      text += "      - not_null: [" + name + "]\n        mostly: " + Json(*column.completeness).dump() + "\n";
    }
    if (!column.domain.empty()) {
      text += "      - in: {" + name + ": " + yaml_list(column.domain) + "}\n";
      if (constraints.domain_share > 0)
        text += "        mostly: " + Json(1 - constraints.domain_share).dump() + "\n";
    }
    const MonitoredColumn* before = baseline == nullptr ? nullptr : baseline->find(column.name);
    if (before != nullptr && before->min && before->max) {
      text += "      - between: {" + name + ": [" + Json(*before->min).dump() + ", " +
              Json(*before->max).dump() + "]}\n        on_fail: warn\n";
    } else if (column.is_non_negative) {
      text += "      - expression: " + yaml_word("\"" + column.name + "\" >= 0") + "\n";
    }
  }
  return text.empty() ? "    checks: []\n" : "    checks:\n" + text;
}

}  // namespace trimtab::bridges

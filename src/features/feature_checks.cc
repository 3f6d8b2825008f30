#include "features/feature_checks.h"

#include <algorithm>
#include <optional>
#include <set>
#include <vector>

#include "base/diagnostics.h"
#include "table/expression.h"

namespace trimtab::features {
namespace {

using table::ColumnType;

// Everything about one model, checked against one schema.
class Checker {
 public:
  Checker(table::Engine& engine, const project::Model& model, const table::Schema& schema,
          std::string time_zone)
      : engine_(engine), model_(model), schema_(schema), time_zone_(std::move(time_zone)) {}

  Status check() {
    check_target();
    check_label_time();
    for (const table::NamedExpression& feature : model_.features) check_feature(feature);
    check_slices();
    if (diagnostics_.empty()) return {};
    return fail(diagnostics_.as_error());
  }

 private:
  std::optional<table::ExpressionFacts> inspect(const table::NamedExpression& expression) {
    Result<table::ExpressionFacts> facts =
        table::inspect_expression(engine_, expression, schema_, time_zone_);
    if (facts) return std::move(*facts);
    diagnostics_.add(std::move(facts).error());
    return std::nullopt;
  }

  void check_target() {
    const std::optional<table::ExpressionFacts> facts = inspect(model_.target);
    if (!facts) return;
    target_columns_.insert(facts->columns.begin(), facts->columns.end());
    const bool binary = model_.task == project::Task::binary;
    const bool number = facts->type == ColumnType::integer || facts->type == ColumnType::real;
    if (binary ? facts->type == ColumnType::boolean || number : number) return;
    diagnostics_.add(model_.target.where,
                     "the target of model '" + model_.name + "' is " +
                         std::string(table::type_name(facts->type)) +
                         (binary ? "; a binary task wants true or false" : "; a regression wants a number"),
                     binary ? "write a condition, e.g. arr_delay >= 15" : "");
  }

  void check_label_time() {
    if (!model_.label_time) return;
    const std::optional<table::ExpressionFacts> facts = inspect(*model_.label_time);
    if (!facts) return;
    label_columns_.insert(facts->columns.begin(), facts->columns.end());
    if (facts->type == ColumnType::time) return;
    diagnostics_.add(model_.label_time->where,
                     "label_time is " + std::string(table::type_name(facts->type)) + ", a time is wanted",
                     "e.g. sched_dep + to_minutes(dep_delay)");
  }

  void check_feature(const table::NamedExpression& feature) {
    if (feature.name.starts_with("__")) {
      diagnostics_.add(feature.where,
                       "the feature name '" + feature.name + "' begins with '__', which is reserved");
    }
    if (!names_.insert(feature.name).second) {
      diagnostics_.add(feature.where, "two features are called '" + feature.name + "'", "rename one of them");
    }
    const std::optional<table::ExpressionFacts> facts = inspect(feature);
    if (!facts) return;
    for (const std::string& column : facts->columns) check_leak(feature, column);
    if (facts->type == ColumnType::time) {
      diagnostics_.add(feature.where,
                       "feature '" + feature.name + "' is a time, which no learner takes as it is",
                       "say what of it matters: hour(" + feature.text + "), isodow(…), epoch(…)");
    }
  }

  // A column that the target or the label's time is made of is known only when it is too late, unless the
  // label's time merely counts from it and it is the event's own time.
  void check_leak(const table::NamedExpression& feature, const std::string& column) {
    const std::string what = "feature '" + feature.name + "' uses '" + column + "', ";
    if (target_columns_.contains(column)) {
      diagnostics_.add(feature.where,
                       what + "which the target is made of: it is not known when a prediction is asked for",
                       "leave the feature out");
    } else if (label_columns_.contains(column) && !is_time(column)) {
      diagnostics_.add(feature.where,
                       what + "which says when the label is known: it is only known after the fact",
                       "leave the feature out");
    }
  }

  bool is_time(const std::string& column) const {
    const std::optional<int> at = schema_.find(column);
    return at && schema_.at(*at).type == ColumnType::time;
  }

  void check_slices() {
    for (const project::Gate& gate : model_.gates) {
      if (gate.slice.empty() || schema_.find(gate.slice)) continue;
      diagnostics_.add(gate.where,
                       "gate '" + gate.text + "' slices by '" + gate.slice + "', which is no column here",
                       base::did_you_mean(gate.slice, schema_.names()));
    }
  }

  table::Engine& engine_;
  const project::Model& model_;
  const table::Schema& schema_;
  std::string time_zone_;
  base::Diagnostics diagnostics_;
  std::set<std::string> target_columns_, label_columns_, names_;
};

}  // namespace

Status validate(table::Engine& engine, const project::Model& model, const table::Schema& table,
                const std::string& time_zone) {
  return Checker(engine, model, table, time_zone).check();
}

}  // namespace trimtab::features

#include "check/contract.h"

#include <algorithm>
#include <optional>
#include <system_error>
#include <utility>

#include "base/diagnostics.h"
#include "check/row_checks.h"
#include "table/expression.h"
#include "table/parquet.h"

namespace trimtab::check {
namespace {

using project::Check;
using project::OnFail;
using table::ColumnType;

constexpr std::size_t kSampleRows = 5;

std::string in_quotes(std::string_view name) { return "'" + std::string(name) + "'"; }

bool is_row_check(const Check& check) {
  return check.kind != Check::Kind::unique && check.kind != Check::Kind::fresh &&
         check.kind != Check::Kind::rows;
}

std::string_view verdict_name(OnFail on_fail) {
  switch (on_fail) {
    case OnFail::fail:
      return "fail";
    case OnFail::quarantine:
      return "quarantine";
    case OnFail::warn:
      break;
  }
  return "warn";
}

Json texts_to_json(const std::vector<std::string>& texts) {
  Json list = Json::array();
  for (const std::string& text : texts) list.push(text);
  return list;
}

// Where the table drops duplicates by the same columns, those that are still in its parts do no harm.
std::string_view unique_verdict(const project::Table& table, const Check& check) {
  const auto sorted = [](std::vector<std::string> names) {
    std::sort(names.begin(), names.end());
    return names;
  };
  for (const project::CleanStep& step : table.clean) {
    const auto* drop = std::get_if<project::DropDuplicatesStep>(&step.step);
    const bool same = drop != nullptr && sorted(drop->by) == sorted(check.columns);
    if (same && check.on_fail == OnFail::fail) return "warn";
  }
  return verdict_name(check.on_fail);
}

class Validator {
 public:
  Validator(table::Engine& engine, const table::Schema& schema, const std::string& time_zone,
            const std::string& time)
      : engine_(engine), schema_(schema), time_zone_(time_zone), time_(time) {}

  void add(const Check& check) {
    std::vector<const table::Column*> columns;
    for (const std::string& name : check.columns) columns.push_back(column(check, name));
    if (std::count(columns.begin(), columns.end(), nullptr) > 0) return;
    if (check.kind == Check::Kind::expression) add_expression(check);
    if (check.kind == Check::Kind::in) add_values(check, *columns.front());
    if (check.kind == Check::Kind::between) expect_number(check, *columns.front());
    if (check.kind == Check::Kind::matches) add_pattern(check, *columns.front());
    if (check.kind == Check::Kind::fresh) add_fresh(check);
    if (!is_row_check(check) && check.on_fail == OnFail::quarantine) {
      complain(check, "a check of the whole table has no rows to put into quarantine", "use fail or warn");
    }
  }

  Status status() const {
    if (diagnostics_.empty()) return {};
    return fail(diagnostics_.as_error());
  }

 private:
  void complain(const Check& check, std::string message, std::string hint = {}) {
    diagnostics_.add(check.where, std::move(message), std::move(hint));
  }

  const table::Column* column(const Check& check, const std::string& name) {
    if (const std::optional<int> found = schema_.find(name)) return &schema_.at(*found);
    complain(check,
             "the check " + check.text + " names " + in_quotes(name) + ", which is no column where it runs",
             base::did_you_mean(name, schema_.names()));
    return nullptr;
  }

  void add_expression(const Check& check) {
    Result<table::ExpressionFacts> facts =
        table::inspect_expression(engine_, check.condition, schema_, time_zone_);
    if (!facts) return diagnostics_.add(std::move(facts).error());
    if (facts->type == ColumnType::boolean) return;
    diagnostics_.add(check.condition.where,
                     "a check is true or false, not " + std::string(table::type_name(facts->type)),
                     "compare it with something, as in distance > 0");
  }

  void add_values(const Check& check, const table::Column& column) {
    for (const Json& value : check.values) {
      if (fits(column.type, value)) continue;
      complain(check,
               "column " + in_quotes(column.name) + " is " + std::string(table::type_name(column.type)) +
                   " and never is " + value.dump(),
               "write values of the column's type");
    }
  }

  void expect_number(const Check& check, const table::Column& column) {
    if (column.type == ColumnType::integer || column.type == ColumnType::real) return;
    complain(check,
             "'between' is of numbers, but column " + in_quotes(column.name) + " is " +
                 std::string(table::type_name(column.type)),
             "an `expression:` compares anything");
  }

  void add_pattern(const Check& check, const table::Column& column) {
    if (column.type != ColumnType::text) {
      return complain(check, "'matches' is of texts, but column " + in_quotes(column.name) + " is " +
                                 std::string(table::type_name(column.type)));
    }
    const auto tried =
        engine_.query_row("SELECT regexp_full_match('', " + table::quote_text(check.pattern) + ")");
    if (tried) return;
    complain(check, "the pattern " + in_quotes(check.pattern) +
                        " is no regular expression: " + tried.error().message);
  }

  void add_fresh(const Check& check) {
    if (time_.empty()) {
      return complain(check, "'fresh' needs to know when a row happened",
                      "declare `time:` for the table's source");
    }
    if (schema_.find(check.columns.front()) == schema_.find(time_)) return;
    complain(check,
             "'fresh' looks at the time of the rows, which is " + in_quotes(time_) + ", not " +
                 in_quotes(check.columns.front()),
             "write `by: " + time_ + "`");
  }

  table::Engine& engine_;
  const table::Schema& schema_;
  const std::string& time_zone_;
  const std::string& time_;
  base::Diagnostics diagnostics_;
};

std::string rows_text(std::int64_t count) { return std::to_string(count) + (count == 1 ? " row" : " rows"); }

Error contract_error(const std::string& table, const Json& check) {
  std::string message =
      "table " + in_quotes(table) + " breaks its contract: " + check.text_or("check") + " failed";
  const std::string detail = check.text_or("detail");
  if (detail.empty()) message += " for " + rows_text(check.int_or("failed"));
  const Json& sample = check["sample"];
  if (!detail.empty()) {
    message += ": " + detail;
  } else if (sample.is_array() && !sample.as_array().empty()) {
    message += ", e.g. " + sample.as_array().front().dump();
  }
  return Error{ErrorCode::check_failed, message,
               "correct the rows where they come from, or change the check or its `on_fail:`", std::nullopt,
               nullptr};
}

// Reads the rows that stand more than once by the columns of a unique check. A null is no value and repeats
// nothing.
Result<Json> check_unique(const table::OperationRun& run, const Json& check) {
  std::string columns;
  std::string present;
  for (const Json& name : check["columns"].as_array()) {
    const std::string quoted = table::quote_name(name.as_string());
    columns += (columns.empty() ? "" : ", ") + quoted;
    present += (present.empty() ? "" : " AND ") + quoted + " IS NOT NULL";
  }
  std::string files;
  const auto parts = run.inputs.find("part");
  if (parts != run.inputs.end()) {
    for (const std::filesystem::path& path : parts->second) {
      files += (files.empty() ? "" : ", ") + table::quote_path(path);
    }
  }
  std::int64_t surplus = 0;
  Json sample = Json::array();
  const auto count = [&](const table::Batch& groups) -> Status {
    const int times = groups.schema().size() - 1;
    for (int row = 0; row < groups.rows(); ++row) {
      surplus += groups.integer(times, row) - 1;
      if (sample.as_array().size() >= kSampleRows) continue;
      Json object = Json::object();
      for (int column = 0; column < times; ++column) {
        object.set(groups.schema().at(column).name, groups.cell_json(column, row));
      }
      sample.push(std::move(object.set("times", groups.integer(times, row))));
    }
    return {};
  };
  if (!files.empty()) {
    TRY(run.engine.query("SELECT " + columns + ", count(*) AS \"__times\" FROM read_parquet([" + files +
                             "]) WHERE " + present + " GROUP BY " + columns +
                             " HAVING count(*) > 1 ORDER BY " + columns,
                         count));
  }
  const std::string verdict = surplus == 0 ? "pass" : check.text_or("on_fail");
  return Json::object(
      {{"check", check["check"]}, {"failed", surplus}, {"verdict", verdict}, {"sample", std::move(sample)}});
}

Json snapshot_result(const Check& check, bool passes, std::string detail) {
  Json result = Json::object({{"check", check.text},
                              {"failed", passes ? 0 : 1},
                              {"verdict", passes ? "pass" : verdict_name(check.on_fail)},
                              {"sample", Json::array()}});
  if (!passes) result.set("detail", std::move(detail));
  return result;
}

// A duration in words that need not be exact: to the hour, or to the minute when it is short.
std::string about(TimeUs duration) {
  const TimeUs unit = duration >= 2 * base::kDayUs    ? base::kDayUs
                      : duration >= 2 * base::kHourUs ? base::kHourUs
                                                      : base::kMinuteUs;
  return base::format_duration(duration / unit * unit);
}

Json check_fresh(const Check& check, const table::Snapshot& snapshot, TimeUs now) {
  std::optional<TimeUs> newest;
  for (const table::Part& part : snapshot.parts) {
    if (part.time_max && (!newest || *part.time_max > *newest)) newest = part.time_max;
  }
  if (!newest) return snapshot_result(check, false, "there is no row");
  return snapshot_result(check, now - *newest <= check.within,
                         "the newest row is of " + base::format_time(*newest) + ", " + about(now - *newest) +
                             " before " + base::format_time(now));
}

Json check_rows(const Check& check, const table::Snapshot& snapshot) {
  const auto rows = static_cast<double>(snapshot.rows());
  const bool passes = (!check.low || rows >= *check.low) && (!check.high || rows <= *check.high);
  return snapshot_result(check, passes, "there are " + rows_text(snapshot.rows()));
}

}  // namespace

Status validate(table::Engine& engine, const project::Table& table, const table::Schema& schema,
                const std::string& time_zone, const std::string& time) {
  Validator validator(engine, schema, time_zone, time);
  for (const Check& check : table.checks) validator.add(check);
  return validator.status();
}

Json check_params(const project::Table& table, const table::Schema& schema, const std::string& time_zone,
                  const std::string& time) {
  Json checks = Json::array();
  for (const Check& check : table.checks) {
    if (!is_row_check(check)) continue;
    checks.push(Json::object({{"check", check.text},
                              {"condition", row_condition(check, schema)},
                              {"mostly", check.mostly},
                              {"on_fail", verdict_name(check.on_fail)}}));
  }
  return Json::object({{"table", table.name},
                       {"checks", std::move(checks)},
                       {"schema", schema.to_json()},
                       {"time_zone", time_zone},
                       {"time", time}});
}

Result<Json> check_part(const table::OperationRun& run) {
  const RowCheckSpec spec = TRY(RowCheckSpec::from_json(run.params));
  const RowFindings findings = TRY(find_failing_rows(run, spec));
  const std::string table = run.params.text_or("table");
  for (const Json& check : findings.checks.as_array()) {
    if (check.text_or("verdict") == "fail") return fail(contract_error(table, check));
  }
  return write_checked_part(run, spec, findings);
}

Json check_table_params(const project::Table& table) {
  Json checks = Json::array();
  for (const Check& check : table.checks) {
    if (check.kind != Check::Kind::unique) continue;
    checks.push(Json::object({{"check", check.text},
                              {"columns", texts_to_json(check.columns)},
                              {"on_fail", unique_verdict(table, check)}}));
  }
  return Json::object({{"checks", std::move(checks)}});
}

Result<Json> check_table(const table::OperationRun& run) {
  Json results = Json::array();
  for (const Json& check : run.params["checks"].as_array()) results.push(TRY(check_unique(run, check)));
  return Json::object({{"checks", std::move(results)}});
}

Json check_snapshot(const project::Table& table, const table::Snapshot& snapshot, TimeUs now) {
  Json results = Json::array();
  for (const Check& check : table.checks) {
    if (check.kind == Check::Kind::fresh) results.push(check_fresh(check, snapshot, now));
    if (check.kind == Check::Kind::rows) results.push(check_rows(check, snapshot));
  }
  return results;
}

Status demand_pass(const std::string& table, const Json& checks) {
  for (const Json& check : checks.as_array()) {
    if (check.text_or("verdict") == "fail") return fail(contract_error(table, check));
  }
  return {};
}

}  // namespace trimtab::check

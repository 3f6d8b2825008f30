#include "check/row_checks.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "base/clock.h"
#include "base/file.h"
#include "table/parquet.h"
#include "table/row_program.h"

namespace trimtab::check {
namespace {

using project::Check;
using table::ColumnType;

constexpr std::size_t kSampledFailures = 5;
constexpr const char* kReasonsColumn = "__reasons";

std::string_view engine_type_name(ColumnType type) {
  switch (type) {
    case ColumnType::boolean:
      return "BOOLEAN";
    case ColumnType::integer:
      return "BIGINT";
    case ColumnType::real:
      return "DOUBLE";
    case ColumnType::text:
      return "VARCHAR";
    case ColumnType::time:
      break;
  }
  return "TIMESTAMPTZ";
}

std::string constant(const Json& value, ColumnType type) {
  const std::string text = value.is_string() ? value.as_string() : value.dump();
  return "CAST(" + table::quote_text(text) + " AS " + std::string(engine_type_name(type)) + ")";
}

std::string in_condition(const Check& check, const std::string& column, ColumnType type) {
  std::string list;
  for (const Json& value : check.values) list += (list.empty() ? "" : ", ") + constant(value, type);
  return column + " IN (" + list + ")";
}

// The engine holds that no number is greater than NaN; here it is between nothing.
std::string between_condition(const Check& check, const std::string& column, ColumnType type) {
  std::string condition = type == ColumnType::real ? "NOT isnan(" + column + ")" : "true";
  if (check.low) condition += " AND " + column + " >= " + constant(*check.low, ColumnType::real);
  if (check.high) condition += " AND " + column + " <= " + constant(*check.high, ColumnType::real);
  return condition;
}

// Failing rows of one check.
struct Failures {
  std::vector<std::int64_t> rows;
  Json sample = Json::array();
  std::vector<int> shown;  // Columns of a sample's rows.
};

// The columns that tell a reader why a row failed: its time, what the check reads, and its number.
std::vector<int> shown_columns(const RowCheckSpec& spec, const std::vector<std::string>& read) {
  std::vector<std::string> names = {spec.time};
  names.insert(names.end(), read.begin(), read.end());
  names.emplace_back("__row");
  std::vector<int> columns;
  for (const std::string& name : names) {
    const std::optional<int> found = spec.schema.find(name);
    if (found && std::find(columns.begin(), columns.end(), *found) == columns.end())
      columns.push_back(*found);
  }
  return columns;
}

Json row_object(const table::Batch& rows, const std::vector<int>& columns, int row) {
  Json object = Json::object();
  for (const int column : columns) object.set(rows.schema().at(column).name, rows.cell_json(column, row));
  return object;
}

std::string verdict_of(const RowCheck& check, std::size_t failed, std::int64_t rows) {
  const double share = rows == 0 ? 1 : 1 - static_cast<double>(failed) / static_cast<double>(rows);
  return failed == 0 || share >= check.mostly ? "pass" : check.on_fail;
}

Status copy_row(const table::Batch& from, int row, table::Batch& to, int to_row) {
  for (int column = 0; column < from.schema().size(); ++column) {
    if (from.is_null(column, row)) {
      to.set_null(column, to_row);
      continue;
    }
    switch (from.schema().at(column).type) {
      case ColumnType::boolean:
        to.set_boolean(column, to_row, from.boolean(column, row));
        break;
      case ColumnType::integer:
        to.set_integer(column, to_row, from.integer(column, row));
        break;
      case ColumnType::real:
        to.set_real(column, to_row, from.real(column, row));
        break;
      case ColumnType::text:
        to.set_text(column, to_row, from.text(column, row));
        break;
      case ColumnType::time:
        to.set_time(column, to_row, from.time(column, row));
        break;
    }
  }
  return {};
}

// Parts the rows into those that stay and those that leave.
class RowSplitter {
 public:
  static Result<RowSplitter> create(const table::OperationRun& run, const RowCheckSpec& spec) {
    RowSplitter splitter;
    table::Schema quarantine = spec.schema;
    quarantine.add({kReasonsColumn, ColumnType::text});
    splitter.kept_batch_ = table::Batch(spec.schema);
    splitter.quarantine_batch_ = table::Batch(quarantine);
    splitter.kept_ =
        TRY(table::ParquetWriter::create(run.engine, run.output_folder / "kept.parquet", spec.schema));
    splitter.quarantine_ =
        TRY(table::ParquetWriter::create(run.engine, run.output_folder / "quarantine.parquet", quarantine));
    return splitter;
  }

  Status add(const table::Batch& rows, std::int64_t first,
             const std::map<std::int64_t, std::string>& refused) {
    const auto from = refused.lower_bound(first);
    const auto to = refused.lower_bound(first + rows.rows());
    const auto leaving = static_cast<int>(std::distance(from, to));
    if (leaving == 0) return kept_->append(rows);
    kept_batch_.reset(rows.rows() - leaving);
    quarantine_batch_.reset(leaving);
    int kept = 0;
    int left = 0;
    auto next = from;
    for (int row = 0; row < rows.rows(); ++row) {
      if (next == to || next->first != first + row) {
        TRY(copy_row(rows, row, kept_batch_, kept++));
        continue;
      }
      TRY(copy_row(rows, row, quarantine_batch_, left));
      quarantine_batch_.set_text(rows.schema().size(), left++, next->second);
      ++next;
    }
    TRY(kept_->append(kept_batch_));
    return quarantine_->append(quarantine_batch_);
  }

  Status finish() {
    TRY(kept_->finish());
    return quarantine_->finish();
  }

 private:
  table::Batch kept_batch_;
  table::Batch quarantine_batch_;
  std::unique_ptr<table::ParquetWriter> kept_;
  std::unique_ptr<table::ParquetWriter> quarantine_;
};

Status copy_part(const table::OperationRun& run) {
  std::error_code failure;
  std::filesystem::copy_file(run.file("part"), run.output_folder / "kept.parquet", failure);
  if (!failure) return {};
  return fail(base::errno_error(failure.value(), "cannot copy a part that passed all checks"));
}

}  // namespace

bool fits(ColumnType type, const Json& value) {
  switch (type) {
    case ColumnType::boolean:
      return value.is_bool();
    case ColumnType::integer:
      return value.is_int();
    case ColumnType::real:
      return value.is_number();
    case ColumnType::text:
      return value.is_string();
    case ColumnType::time:
      break;
  }
  return value.is_string() && base::parse_time(value.as_string()).has_value();
}

std::string row_condition(const Check& check, const table::Schema& schema) {
  if (check.kind == Check::Kind::expression) return check.condition.text;
  const std::string column = table::quote_name(check.columns.front());
  const std::optional<int> found = schema.find(check.columns.front());
  const ColumnType type = found ? schema.at(*found).type : ColumnType::text;
  if (check.kind == Check::Kind::not_null) return column + " IS NOT NULL";
  if (check.kind == Check::Kind::in) return in_condition(check, column, type);
  if (check.kind == Check::Kind::between) return between_condition(check, column, type);
  CHECK(check.kind == Check::Kind::matches);
  return "regexp_full_match(" + column + ", " + table::quote_text(check.pattern) + ")";
}

Result<RowCheckSpec> RowCheckSpec::from_json(const Json& params) {
  RowCheckSpec spec;
  spec.schema = TRY(table::Schema::from_json(params["schema"]));
  for (const Json& check : params["checks"].as_array()) {
    spec.checks.push_back({check.text_or("check"), check.text_or("condition"), check.double_or("mostly", 1),
                           check.text_or("on_fail")});
  }
  spec.time_zone = params.text_or("time_zone");
  spec.time = params.text_or("time");
  return spec;
}

Result<RowFindings> find_failing_rows(const table::OperationRun& run, const RowCheckSpec& spec) {
  table::DeriveStage conditions;
  table::SelectStage results;
  std::vector<Failures> failures(spec.checks.size());
  for (std::size_t i = 0; i < spec.checks.size(); ++i) {
    const table::NamedExpression condition{"__check_" + std::to_string(i), spec.checks[i].condition, {}};
    const auto facts = TRY(table::inspect_expression(run.engine, condition, spec.schema, spec.time_zone));
    failures[i].shown = shown_columns(spec, facts.columns);
    conditions.columns.push_back(condition);
    results.columns.push_back(condition.name);
  }
  std::unique_ptr<table::RowProgram> program;
  if (!spec.checks.empty()) {
    program =
        TRY(table::RowProgram::bind(run.engine, spec.schema, {conditions, results}, {}, spec.time_zone));
  }
  RowFindings findings;
  TRY(table::read_parquet(
      run.engine, {run.file("part")}, spec.schema.names(), [&](const table::Batch& rows) -> Status {
        const table::Batch* passed = program == nullptr ? nullptr : TRY(program->run(rows));
        for (std::size_t i = 0; i < failures.size(); ++i) {
          const int column = static_cast<int>(i);
          for (int row = 0; row < rows.rows(); ++row) {
            if (passed->is_null(column, row) || passed->boolean(column, row)) continue;
            failures[i].rows.push_back(findings.rows + row);
            if (failures[i].rows.size() <= kSampledFailures)
              failures[i].sample.push(row_object(rows, failures[i].shown, row));
          }
        }
        findings.rows += rows.rows();
        if (!run.progress(findings.rows, 0, "rows")) return fail(ErrorCode::cancelled, "stopped on request");
        return {};
      }));
  for (std::size_t i = 0; i < failures.size(); ++i) {
    const RowCheck& check = spec.checks[i];
    const std::string verdict = verdict_of(check, failures[i].rows.size(), findings.rows);
    findings.checks.push(Json::object({{"check", check.text},
                                       {"failed", static_cast<std::int64_t>(failures[i].rows.size())},
                                       {"verdict", verdict},
                                       {"sample", std::move(failures[i].sample)}}));
    if (verdict != "quarantine") continue;
    for (const std::int64_t row : failures[i].rows) {
      std::string& reasons = findings.refused[row];
      reasons += (reasons.empty() ? "" : "; ") + check.text;
    }
  }
  return findings;
}

Result<Json> write_checked_part(const table::OperationRun& run, const RowCheckSpec& spec,
                                const RowFindings& findings) {
  std::optional<RowSplitter> splitter;
  if (findings.refused.empty()) {
    TRY(copy_part(run));
  } else {
    splitter = TRY(RowSplitter::create(run, spec));
  }
  const std::optional<int> time = spec.time.empty() ? std::nullopt : spec.schema.find(spec.time);
  std::optional<TimeUs> time_min;
  std::optional<TimeUs> time_max;
  std::int64_t first = 0;
  const auto visit = [&](const table::Batch& rows) -> Status {
    for (int row = 0; time && row < rows.rows(); ++row) {
      if (rows.is_null(*time, row) || findings.refused.contains(first + row)) continue;
      time_min = std::min(time_min.value_or(rows.time(*time, row)), rows.time(*time, row));
      time_max = std::max(time_max.value_or(rows.time(*time, row)), rows.time(*time, row));
    }
    if (splitter) TRY(splitter->add(rows, first, findings.refused));
    first += rows.rows();
    return {};
  };
  if (splitter || time) TRY(table::read_parquet(run.engine, {run.file("part")}, spec.schema.names(), visit));
  if (splitter) TRY(splitter->finish());
  const auto refused = static_cast<std::int64_t>(findings.refused.size());
  Json result = Json::object({{"rows", findings.rows},
                              {"kept", findings.rows - refused},
                              {"quarantined", refused},
                              {"schema", spec.schema.to_json()},
                              {"checks", findings.checks}});
  if (time_min) result.set("time_min", *time_min).set("time_max", *time_max);
  return result;
}

}  // namespace trimtab::check

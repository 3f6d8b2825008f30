#include "flow/golden.h"

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <system_error>

#include "base/diagnostics.h"
#include "base/hash.h"
#include "flow/file_rows.h"
#include "ingest/cell.h"
#include "ingest/csv_file.h"
#include "ingest/typed_rows.h"

namespace trimtab::flow {
namespace {

constexpr const char* kExpectedMin = "expected_min";
constexpr const char* kExpectedMax = "expected_max";
constexpr std::size_t kHashShown = 12;  // Digits that tell files apart.

std::filesystem::path golden_path(const project::Project& project, const project::Model& model) {
  return project.folder / model.golden;
}

// What a row's answer may be; the ends belong to it.
struct Bounds {
  std::optional<double> low, high;

  bool hold(double answer) const {
    return !std::isnan(answer) && (!low || answer >= *low) && (!high || answer <= *high);
  }
};

std::string shown_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

std::string allowed_text(const Bounds& bounds) {
  if (bounds.low && bounds.high)
    return shown_number(*bounds.low) + " to " + shown_number(*bounds.high) + " is allowed";
  if (bounds.low) return "at least " + shown_number(*bounds.low) + " is allowed";
  if (bounds.high) return "at most " + shown_number(*bounds.high) + " is allowed";
  return "any answer is allowed";
}

std::string mark_of(const std::string& sha256) { return "sha256 " + sha256.substr(0, kHashShown); }

// Reads the bounds of the rows of one file, whose columns of bounds are texts.
class BoundsReader {
 public:
  BoundsReader(table::Engine& engine, std::filesystem::path path, const table::Schema& columns)
      : engine_(engine),
        path_(std::move(path)),
        low_(columns.find(kExpectedMin)),
        high_(columns.find(kExpectedMax)) {}

  // `row` of `rows`, which begin with the file's row `first`.
  Result<Bounds> read(const table::Batch& rows, int row, std::int64_t first) const {
    Bounds bounds{TRY(read_cell(rows, low_, row, first)), TRY(read_cell(rows, high_, row, first))};
    if (bounds.low && bounds.high && *bounds.low > *bounds.high) {
      return fail(
          refusal(first + row,
                  "nothing lies between " + shown_number(*bounds.low) + " and " + shown_number(*bounds.high),
                  "expected_min is the smaller one"));
    }
    return bounds;
  }

 private:
  Result<std::optional<double>> read_cell(const table::Batch& rows, std::optional<int> column, int row,
                                          std::int64_t first) const {
    if (!column || rows.is_null(*column, row)) return std::optional<double>();
    const std::string_view text = rows.text(*column, row);
    if (text.find_first_not_of(" \t") == std::string_view::npos) return std::optional<double>();
    const std::optional<double> value = ingest::real_of_cell(text);
    if (value && !std::isnan(*value)) return value;
    return fail(refusal(first + row,
                        "column '" + rows.schema().at(*column).name + "' wants a number, found '" +
                            std::string(text.substr(0, 80)) + "'",
                        "leave it empty where there is no bound"));
  }

  Error refusal(std::int64_t row, std::string message, std::string hint) const {
    const std::int64_t line = ingest::line_of_row(engine_, path_, row).value_or(0);
    return {ErrorCode::invalid, std::move(message), std::move(hint),
            SourceRange{ingest::short_name(path_), static_cast<int>(line), 0}, nullptr};
  }

  table::Engine& engine_;
  std::filesystem::path path_;
  std::optional<int> low_, high_;
};

Error header_error(const std::filesystem::path& path, std::string message, std::string hint) {
  return {ErrorCode::invalid, std::move(message), std::move(hint),
          SourceRange{ingest::short_name(path), 1, 0}, nullptr};
}

// The file's columns with the types of the source's. Those of bounds, and of joins, are texts.
Result<table::Schema> golden_columns(table::Engine& engine, const std::filesystem::path& path,
                                     const table::Schema& columns, const std::vector<std::string>& joined) {
  std::vector<std::string> known = columns.names();
  known.insert(known.end(), joined.begin(), joined.end());
  known.insert(known.end(), {kExpectedMin, kExpectedMax});
  table::Schema others;  // Names compare without case.
  for (const std::string& name : known) {
    if (!columns.find(name)) others.set({name, table::ColumnType::text});
  }
  table::Schema typed;
  for (const std::string& name : TRY(ingest::read_header(engine, path)).names) {
    const std::optional<int> of_source = columns.find(name);
    if (!of_source && !others.find(name)) {
      return fail(header_error(path, "'" + name + "' is no column of the model's source",
                               base::did_you_mean(name, known)));
    }
    typed.add({name, of_source ? columns.at(*of_source).type : table::ColumnType::text});
  }
  if (typed.find(kExpectedMin) || typed.find(kExpectedMax)) return typed;
  return fail(header_error(path, "golden rows have no bounds", "add a column expected_min or expected_max"));
}

}  // namespace

Result<std::string> golden_hash(const project::Project& project, const project::Model& model) {
  const std::filesystem::path path = golden_path(project, model);
  std::error_code absent;
  if (std::filesystem::is_regular_file(path, absent)) return base::sha256_file(path);
  return fail(Error{ErrorCode::not_found, "there is no file '" + model.golden + "'",
                    "golden rows are a CSV file in the project's folder, with the columns of the source and "
                    "expected_min, expected_max",
                    model.golden_where, nullptr});
}

Status check_golden(table::Engine& engine, const project::Project& project, const project::Model& model,
                    const table::Schema& columns, const std::vector<std::string>& joined) {
  TRY(golden_hash(project, model));
  const project::Source& source = *project.find_source(project.find_table(model.from)->from);
  const std::filesystem::path path = golden_path(project, model);
  const table::Schema typed = TRY(golden_columns(engine, path, columns, joined));
  const ingest::RowSource file{path, typed,
                               std::set<std::string, std::less<>>(source.nulls.begin(), source.nulls.end()),
                               source.time_zone};
  const BoundsReader bounds(engine, path, typed);
  return ingest::visit_typed_rows(engine, file, [&](const table::Batch& rows, std::int64_t first) -> Status {
    for (int row = 0; row < rows.rows(); ++row) TRY(bounds.read(rows, row, first));
    return {};
  });
}

Json golden_params(const project::Model& model, const std::string& sha256, const Json& read) {
  return Json::object({{"file", model.golden}, {"sha256", sha256}, {"read", read}});
}

Result<judge::GateResult> judge_golden(const table::OperationRun& run,
                                       const std::shared_ptr<const model::Artifact>& artifact) {
  const Json& params = run.params["golden"];
  const std::filesystem::path& path = run.file("golden");
  const std::string name = params.text_or("file");
  const std::unique_ptr<FileRows> file = TRY(FileRows::make(
      run, params["read"], artifact, TRY(file_columns(run.engine, path)), ingest::short_name(path)));
  const BoundsReader reader(run.engine, path, file->columns());
  std::int64_t all = 0, outside = 0;
  std::string first_outside;
  TRY(file->visit(path, [&](const table::Batch& rows, std::int64_t first) -> Status {
    if (rows.rows() == 0) return {};
    const std::span<const double> answers = TRY(file->score(rows));
    all += rows.rows();
    for (int row = 0; row < rows.rows(); ++row) {
      const Bounds bounds = TRY(reader.read(rows, row, first));
      const double answer = answers[static_cast<std::size_t>(row)];
      if (bounds.hold(answer)) continue;
      if (outside++ > 0) continue;
      const std::int64_t line = TRY(ingest::line_of_row(run.engine, path, first + row));
      first_outside = name + ":" + std::to_string(line) + " got " +
                      (std::isnan(answer) ? "no number" : shown_number(answer)) + ", " + allowed_text(bounds);
    }
    return {};
  }));
  judge::GateResult result;
  result.gate = kGoldenGate;
  result.threshold = 0;
  result.measured.value = static_cast<double>(outside);
  result.verdict = outside > 0 ? judge::Verdict::fail : judge::Verdict::pass;
  result.detail =
      outside > 0 ? first_outside : std::to_string(all) + (all == 1 ? " row of " : " rows of ") + name;
  if (all == 0) result.verdict = judge::Verdict::unknown;
  result.detail += "; " + mark_of(params.text_or("sha256"));
  return result;
}

bool is_decided_by(const std::string& detail, const std::string& sha256) {
  return detail.ends_with(mark_of(sha256));
}

}  // namespace trimtab::flow

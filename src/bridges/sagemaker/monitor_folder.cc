#include "bridges/sagemaker/monitor_folder.h"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <set>
#include <utility>
#include <vector>

#include "base/file.h"
#include "bridges/sagemaker/data_capture.h"
#include "bridges/sagemaker/monitor_constraints.h"
#include "bridges/sagemaker/monitor_statistics.h"
#include "flow/source_refresh.h"
#include "heal/ward.h"
#include "registry/endpoints.h"
#include "serve/prediction_log.h"
#include "table/parquet.h"

namespace trimtab::bridges {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kJsonMax = 64u << 20;
constexpr const char* kVariant = "AllTraffic";  // As SageMaker names a variant that nobody named.

// What the export is about.
struct Served {
  registry::EndpointFacts facts;
  table::Schema request;
  std::string source;
};

Result<Served> find_served(const project::Project& project, store::Home& home, const std::string& endpoint) {
  Served served{TRY(registry::find_endpoint(home, endpoint)), {}, {}};
  if (!served.facts.serving_version) {
    return fail(ErrorCode::not_found, "no version of '" + endpoint + "' serves yet", "run `trimtab apply`");
  }
  const auto artifact = TRY(heal::load_version(home, served.facts.model, *served.facts.serving_version));
  served.request = artifact->recipe.request;
  const project::Model* model = project.find_model(served.facts.model);
  const project::Table* table = model == nullptr ? nullptr : project.find_table(model->from);
  if (table == nullptr) {
    return fail(ErrorCode::not_found, "the model '" + served.facts.model + "' is not declared any longer",
                "declare it again in " + project.file);
  }
  served.source = table->from;
  return served;
}

Result<MonitorStatistics> baseline_statistics(const project::Project& project, store::Home& home,
                                              table::Engine& engine, const Served& served) {
  const std::optional<table::Snapshot> snapshot =
      TRY(flow::load_snapshot(home, project.name, flow::source_dataset(served.source)));
  if (!snapshot) {
    return fail(ErrorCode::not_found, "the source '" + served.source + "' has not been read yet",
                "run `trimtab apply`");
  }
  std::vector<fs::path> parts;
  for (const table::Part& part : snapshot->parts) parts.push_back(home.blobs().path(part.blob_sha256));
  table::Schema columns;
  for (const table::Column& column : served.request.columns()) {
    if (const auto at = snapshot->schema.find(column.name)) columns.add(snapshot->schema.at(*at));
  }
  StatisticsMaker maker(columns);
  const auto visit = [&](auto&& pass) {
    return table::read_parquet(engine, parts, columns.names(), [&](const table::Batch& rows) -> Status {
      pass(rows);
      return {};
    });
  };
  if (parts.empty()) return maker.finish();
  TRY(visit([&maker](const table::Batch& rows) { maker.first(rows); }));
  TRY(visit([&maker](const table::Batch& rows) { maker.second(rows); }));
  return maker.finish();
}

// Rows of the log as a batch of request columns; what is not there, or no longer of the type, is null.
class LoggedRows {
 public:
  explicit LoggedRows(const table::Schema& schema) : batch_(schema) {}

  template <class Visit>
  void add(const std::string& request_json, const Visit& visit) {
    waiting_.push_back(request_json);
    if (waiting_.size() == table::kBatchRowsMax) flush(visit);
  }
  template <class Visit>
  void flush(const Visit& visit) {
    if (waiting_.empty()) return;
    batch_.reset(static_cast<int>(waiting_.size()));
    for (int row = 0; row < batch_.rows(); ++row) {
      const Result<Json> sent = base::parse_json(waiting_[static_cast<std::size_t>(row)]);
      for (int column = 0; column < batch_.schema().size(); ++column) {
        const Json& cell = sent ? (*sent)[batch_.schema().at(column).name] : Json();
        if (cell.is_null() || !batch_.set_cell_json(column, row, cell)) batch_.set_null(column, row);
      }
    }
    waiting_.clear();
    visit(batch_);
  }

 private:
  table::Batch batch_;
  std::vector<std::string> waiting_;
};

// Captured calls, an hour a file. Rows come in nearly the order of time; an hour may be come back to.
class CaptureFiles {
 public:
  explicit CaptureFiles(fs::path folder) : folder_(std::move(folder)) {}

  Status add(const model::Prediction& prediction) {
    const std::string time = base::format_time(prediction.received);  // 2013-01-09T15:04:05…
    const fs::path file = folder_ / time.substr(0, 4) / time.substr(5, 2) / time.substr(8, 2) /
                          time.substr(11, 2) / "calls.jsonl";
    if (file != open_) TRY(turn_to(file));
    out_ << capture_line(prediction) << '\n';
    return expect_written();
  }
  Status finish() {
    out_.flush();
    return expect_written();
  }

 private:
  Status turn_to(const fs::path& file) {
    TRY(finish());
    TRY(base::make_folders(file.parent_path()));
    const bool is_new = begun_.insert(file).second;
    out_.close();
    out_.clear();
    out_.open(file, is_new ? std::ios::trunc : std::ios::app);
    open_ = file;
    return expect_written();
  }
  Status expect_written() {
    if (out_) return {};
    return fail(base::errno_error(errno, "cannot write '" + open_.string() + "'"));
  }

  fs::path folder_, open_;
  std::set<fs::path> begun_;
  std::ofstream out_;
};

Result<Json> read_json(const fs::path& file) {
  const std::string text = TRY(base::read_file(file, kJsonMax));
  Result<Json> json = base::parse_json(text);
  if (json) return json;
  return fail(base::wrap(std::move(json).error(), "'" + file.string() + "' is no JSON"));
}

// The captured files of a tree, in the order of their names.
std::vector<fs::path> capture_files(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code failed;
  for (fs::recursive_directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed)) {
    if (at->path().extension() == ".jsonl" && at->is_regular_file(failed)) files.push_back(at->path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// Rows of captured calls on their way to one CSV file, which gets its name when it is whole.
class CaptureCsv {
 public:
  explicit CaptureCsv(fs::path path) : path_(std::move(path)), partial_(path_.string() + ".partial") {}
  ~CaptureCsv() {
    out_.close();
    (void)base::remove_tree(partial_);
  }

  Status add(const fs::path& file) {
    std::ifstream in(file);
    std::string line;
    for (int number = 1; std::getline(in, line); ++number) {
      if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
      Result<std::string> csv = as_csv(line);
      if (csv) {
        TRY(write(*csv));
        continue;
      }
      Error error = std::move(csv).error();
      error.where = SourceRange{file.string(), number, 0};
      return fail(std::move(error));
    }
    if (in.bad()) return fail(base::errno_error(errno, "cannot read '" + file.string() + "'"));
    return {};
  }
  Result<std::int64_t> finish() {
    if (rows_ == 0) return rows_;
    out_.close();
    if (!out_) return fail(base::errno_error(errno, "cannot write '" + partial_.string() + "'"));
    TRY(base::move_file_durably(partial_, path_));
    return rows_;
  }

 private:
  // The call's rows, behind the header if it is the first.
  Result<std::string> as_csv(const std::string& line) {
    const std::vector<CapturedRow> rows = TRY(read_capture_line(line));
    if (rows.empty()) return std::string();
    const std::string csv = TRY(capture_csv(rows));
    const std::size_t header_end = csv.find('\n') + 1;
    const std::string header = csv.substr(0, header_end);
    if (header_.empty()) header_ = header;
    if (header != header_) {
      return fail(ErrorCode::invalid, "this call has other columns than the first one",
                  "a capture of one model's calls has one shape: import the files of each apart");
    }
    const bool is_first = rows_ == 0;
    rows_ += static_cast<std::int64_t>(rows.size());
    return is_first ? csv : csv.substr(header_end);
  }
  Status write(const std::string& csv) {
    if (!out_.is_open()) out_.open(partial_, std::ios::trunc);
    out_ << csv;
    if (out_) return {};
    return fail(base::errno_error(errno, "cannot write '" + partial_.string() + "'"));
  }

  fs::path path_, partial_;
  std::ofstream out_;
  std::string header_;
  std::int64_t rows_ = 0;
};

Status write_json(const fs::path& file, const Json& json) {
  return base::write_file_durably(file, json.dump(2) + "\n");
}

}  // namespace

Result<MonitorExport> export_monitor_folder(const project::Project& project, store::Home& home,
                                            table::Engine& engine, const std::string& endpoint,
                                            const fs::path& folder) {
  const Served served = TRY(find_served(project, home, endpoint));
  const MonitorStatistics baseline = TRY(baseline_statistics(project, home, engine, served));
  const MonitorConstraints constraints = MonitorConstraints::suggest(baseline);
  const std::unique_ptr<serve::PredictionLog> log =
      TRY(serve::PredictionLog::open(home.log_folder() / endpoint));
  CaptureFiles captured(folder / endpoint / kVariant);
  table::Schema columns;  // Types as the baseline has them, so that the two can be held against each other.
  for (const table::Column& column : served.request.columns()) {
    if (baseline.find(column.name) != nullptr) columns.add(column);
  }
  StatisticsMaker maker(columns);
  LoggedRows rows(columns);
  MonitorExport done;
  Status written;
  const auto first = [&maker](const table::Batch& batch) { maker.first(batch); };
  TRY(log->read(INT64_MIN, [&](model::Prediction&& prediction) {
    if (written) written = captured.add(prediction);
    rows.add(prediction.request_json, first);
    ++done.captured_rows;
  }));
  rows.flush(first);
  TRY(std::move(written));
  TRY(captured.finish());
  const auto second = [&maker](const table::Batch& batch) { maker.second(batch); };
  TRY(log->read(INT64_MIN,
                [&](model::Prediction&& prediction) { rows.add(prediction.request_json, second); }));
  rows.flush(second);
  const MonitorStatistics current = maker.finish();
  const Json violations = done.captured_rows == 0 ? Json::object({{"violations", Json::array()}})
                                                  : find_violations(constraints, &baseline, current);
  done.baseline_rows = baseline.rows;
  done.violations = static_cast<std::int64_t>(violations["violations"].as_array().size());
  TRY(base::make_folders(folder));
  TRY(write_json(folder / "statistics.json", baseline.to_json()));
  TRY(write_json(folder / "constraints.json", constraints.to_json()));
  TRY(write_json(folder / "constraint_violations.json", violations));
  return done;
}

Result<MonitorImport> import_monitor_folder(const fs::path& folder, const fs::path& output) {
  std::error_code failed;
  if (!fs::is_directory(folder, failed))
    return fail(ErrorCode::not_found, "there is no folder '" + folder.string() + "'");
  MonitorImport done;
  std::optional<MonitorStatistics> baseline;
  bool is_any = false;
  const auto there = [&](const char* name) { return fs::exists(folder / name, failed) && (is_any = true); };
  if (there("statistics.json"))
    baseline = TRY(MonitorStatistics::from_json(TRY(read_json(folder / "statistics.json"))));
  if (there("constraints.json")) {
    const MonitorConstraints constraints =
        TRY(MonitorConstraints::from_json(TRY(read_json(folder / "constraints.json"))));
    done.checks = propose_checks(constraints, baseline ? &*baseline : nullptr);
  } else if (baseline) {
    done.checks = propose_checks(MonitorConstraints::suggest(*baseline), &*baseline);
  }
  if (there("constraint_violations.json")) {
    const Json json = TRY(read_json(folder / "constraint_violations.json"));
    if (!json["violations"].is_array()) {
      return fail(ErrorCode::invalid,
                  "this is no constraint_violations.json of Model Monitor: 'violations' is missing",
                  "export it from the monitoring job's output, or from its S3 prefix");
    }
    done.violations = json["violations"];
  }
  CaptureCsv csv(output);
  for (const fs::path& file : capture_files(folder)) {
    TRY(csv.add(file));
    ++done.captured_files;
    is_any = true;
  }
  done.captured_rows = TRY(csv.finish());
  if (is_any) return done;
  return fail(ErrorCode::not_found, "there is nothing of Model Monitor in '" + folder.string() + "'",
              "it holds statistics.json, constraints.json, constraint_violations.json or captured calls "
              "(*.jsonl)");
}

}  // namespace trimtab::bridges

#include "app/backtest/history_feed.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <optional>
#include <variant>

#include "flow/pipeline.h"
#include "flow/table_refresh.h"
#include "table/parquet.h"
#include "table/row_program.h"

namespace trimtab::app {
namespace {

constexpr const char* kTarget = "__target";
constexpr const char* kKnownAt = "__known_at";

std::filesystem::path blob_path(const Workbench& bench, const table::Part& part) {
  return bench.home->blobs().path(part.blob_sha256);
}

// A program that says of a source row what its label is and when it is known.
Result<std::unique_ptr<table::RowProgram>> label_program(Workbench& bench, const project::Model& model,
                                                         const project::Source& source,
                                                         const table::Schema& schema) {
  flow::ExecutorOptions options = bench.executor;
  options.dry_run = true;
  flow::Executor executor(*bench.home, bench.clock, options);
  flow::SourceRefresh sources(bench.project, *bench.home, *bench.engine, executor, bench.clock);
  flow::TableRefresh tables(bench.project, *bench.home, *bench.engine, executor, sources, bench.clock);
  flow::ProgressListener silent;
  const clean::CompiledRecipe recipe = TRY(tables.compile(*bench.project.find_table(model.from), silent));
  std::vector<table::Stage> stages = recipe.per_file;
  // A filter would lose rows that were asked about all the same.
  std::erase_if(stages,
                [](const table::Stage& stage) { return std::holds_alternative<table::FilterStage>(stage); });
  table::DeriveStage derive;
  derive.columns.push_back({kTarget, "CAST((" + model.target.text + ") AS DOUBLE)", model.target.where});
  table::NamedExpression known = flow::label_time_of(model, source.time);
  derive.columns.push_back({kKnownAt, known.text, known.where});
  stages.push_back(derive);
  stages.push_back(table::SelectStage{{kTarget, kKnownAt}});
  stages = TRY(table::prune_stages(*bench.engine, schema, stages, {kTarget, kKnownAt}, source.time_zone));
  for (const table::Stage& stage : stages) {
    if (!std::holds_alternative<table::LookupStage>(stage)) continue;
    return fail(ErrorCode::unsupported, "the target of model '" + model.name + "' needs a joined table",
                "a backtest knows labels from the rows of '" + source.name + "' alone");
  }
  return table::RowProgram::bind(*bench.engine, schema, stages, {}, source.time_zone);
}

std::string request_body(const table::Batch& rows, int row, const std::vector<int>& columns,
                         const std::string& id) {
  std::string body = R"({"dataframe_records":[{"prediction_id":)";
  base::append_json_string(body, id);
  for (const int column : columns) {
    body += ',';
    base::append_json_string(body, rows.schema().at(column).name);
    body += ':' + rows.cell_json(column, row).dump();
  }
  return body + "}]}";
}

class Reader {
 public:
  Reader(HistoryFeed& feed, table::RowProgram& program, TimeUs from, TimeUs to)
      : feed_(feed), program_(program), from_(from), to_(to) {}

  void begin(std::vector<int> columns, int time_column, std::string stem) {
    columns_ = std::move(columns);
    time_column_ = time_column;
    stem_ = std::move(stem);
    row_ = 0;
  }

  Status take(const table::Batch& rows) {
    const table::Batch& truth = *TRY(program_.run(rows));
    for (int row = 0; row < rows.rows(); ++row, ++row_) {
      if (rows.is_null(time_column_, row)) continue;
      const TimeUs time = rows.time(time_column_, row);
      if (time < from_ || time >= to_) continue;
      HistoryFeed::Request request;
      request.time = time;
      request.id = stem_ + "-" + std::to_string(row_);
      request.body = request_body(rows, row, columns_, request.id);
      const bool known = !truth.is_null(0, row) && !truth.is_null(1, row);
      request.truth = known ? truth.real(0, row) : std::numeric_limits<double>::quiet_NaN();
      known_at_.push_back(known ? truth.time(1, row) : 0);
      feed_.requests.push_back(std::move(request));
    }
    return {};
  }

  // Puts requests in order of time (then id), and the labels in order of their arrival.
  void finish() {
    std::vector<std::uint32_t> order(feed_.requests.size());
    for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(), [this](std::uint32_t a, std::uint32_t b) {
      return feed_.requests[a].time < feed_.requests[b].time;
    });
    std::vector<HistoryFeed::Request> sorted;
    sorted.reserve(order.size());
    for (const std::uint32_t old : order) {
      if (!std::isnan(feed_.requests[old].truth)) {
        feed_.labels.push_back({known_at_[old], static_cast<std::uint32_t>(sorted.size())});
      }
      sorted.push_back(std::move(feed_.requests[old]));
    }
    feed_.requests = std::move(sorted);
    std::stable_sort(feed_.labels.begin(), feed_.labels.end(),
                     [](const auto& a, const auto& b) { return a.known_at < b.known_at; });
  }

 private:
  HistoryFeed& feed_;
  table::RowProgram& program_;
  TimeUs from_, to_;
  std::vector<int> columns_;
  int time_column_ = 0;
  std::string stem_;
  std::int64_t row_ = 0;
  std::vector<TimeUs> known_at_;
};

bool reaches(const table::Part& part, TimeUs from, TimeUs to) {
  return part.time_min && part.time_max && *part.time_max >= from && *part.time_min < to;
}

Status load_observed(Workbench& bench, const table::Snapshot& snapshot, TimeUs from, TimeUs to,
                     std::vector<HistoryFeed::ObservedRow>& out) {
  for (const table::Part& part : snapshot.parts) {
    if (!reaches(part, from, to)) continue;
    TRY(table::read_parquet(*bench.engine, {blob_path(bench, part)}, {},
                            [&](const table::Batch& rows) -> Status {
                              const int time_column = *rows.schema().find(snapshot.time_column);
                              for (int row = 0; row < rows.rows(); ++row) {
                                if (rows.is_null(time_column, row)) continue;
                                const TimeUs time = rows.time(time_column, row);
                                if (time < from || time >= to) continue;
                                Json json = Json::object();
                                for (int column = 0; column < rows.schema().size(); ++column) {
                                  json.set(rows.schema().at(column).name, rows.cell_json(column, row));
                                }
                                out.push_back({time, json.dump()});
                              }
                              return {};
                            }));
  }
  std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.time < b.time; });
  return {};
}

}  // namespace

Result<History> ingest_history(Workbench& bench, flow::ProgressListener& listener) {
  flow::Executor executor(*bench.home, bench.clock, bench.executor);
  flow::Pipeline pipeline(bench.project, *bench.home, *bench.engine, executor, bench.clock);
  TRY(pipeline.validate(listener));
  History history;
  for (const project::Source& source : bench.project.sources) {
    history.sources[source.name] =
        TRY(pipeline.refresh_source(source.name, std::numeric_limits<TimeUs>::max(), listener));
  }
  return history;
}

std::vector<std::string> files_before(const Workbench& bench, const History& history, TimeUs from) {
  std::vector<std::string> files;
  for (const project::Source& source : bench.project.sources) {
    for (const table::Part& part : history.sources.at(source.name).parts) {
      if (!part.time_max || *part.time_max < from) files.push_back(part.origin);
    }
  }
  return files;
}

Result<HistoryFeed> load_feed(Workbench& bench, const History& history, const std::string& endpoint,
                              const std::vector<std::string>& columns, TimeUs from, TimeUs to) {
  const project::Model& model = *bench.project.find_model(bench.project.find_endpoint(endpoint)->model);
  const project::Source& source = *bench.project.find_source(bench.project.find_table(model.from)->from);
  const table::Snapshot& snapshot = history.sources.at(source.name);
  const std::unique_ptr<table::RowProgram> program =
      TRY(label_program(bench, model, source, snapshot.schema));
  std::vector<int> positions;
  for (const std::string& column : columns) {
    if (const std::optional<int> at = snapshot.schema.find(column)) positions.push_back(*at);
  }
  HistoryFeed feed;
  feed.files_at_start = files_before(bench, history, from);
  Reader reader(feed, *program, from, to);
  for (const table::Part& part : snapshot.parts) {
    if (!reaches(part, from, to)) continue;
    reader.begin(positions, *snapshot.schema.find(source.time),
                 std::filesystem::path(part.origin).stem().string());
    TRY(table::read_parquet(*bench.engine, {blob_path(bench, part)}, {},
                            [&reader](const table::Batch& rows) { return reader.take(rows); }));
    feed.files.push_back({*part.time_max, part.origin});
  }
  reader.finish();
  std::sort(feed.files.begin(), feed.files.end(), [](const auto& a, const auto& b) { return a.at < b.at; });
  for (const project::Source& other : bench.project.sources) {
    if (other.name == source.name || other.time.empty()) continue;
    TRY(load_observed(bench, history.sources.at(other.name), from, to, feed.observed[other.name]));
  }
  return feed;
}

}  // namespace trimtab::app

#include "flow/source_refresh.h"

#include <algorithm>
#include <optional>
#include <tuple>

#include "base/hash.h"
#include "ingest/ingest.h"
#include "store/database.h"

namespace trimtab::flow {
namespace {

// Rows that arrived are kept in parts of this origin: "rows 1..72", by their sequence numbers.
constexpr std::string_view kArrivedOrigin = "rows ";

std::optional<TimeUs> time_of(const Json& values, std::string_view name) {
  const Json* time = values.find(name);
  if (time == nullptr || !time->is_int()) return std::nullopt;
  return time->as_int();
}

table::Part part_of(const TaskResult& result, std::string origin, std::string origin_sha256) {
  table::Part part;
  part.blob_sha256 = result.file("part.parquet");
  part.bytes = result.files.at("part.parquet").size;
  part.rows = result.values.int_or("rows");
  part.time_min = time_of(result.values, "time_min");
  part.time_max = time_of(result.values, "time_max");
  part.origin = std::move(origin);
  part.origin_sha256 = std::move(origin_sha256);
  part.step_key = result.key;
  if (const Json* left = result.values.find("left")) {
    part.left = left->int_or("rows");
    part.set_aside = left->bool_or("set_aside");
    const std::int64_t line = left->int_or("line");
    part.left_why =
        part.origin + (line > 0 ? ":" + std::to_string(line) : "") + ": " + left->text_or("message");
  }
  return part;
}

// Whoever first reads a source is there to put it right: its types are found, and nothing of it may be lost.
Status demand_readable(const std::vector<Task>& tasks, const std::vector<TaskResult>& results) {
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    const Json* left = results[i].pending ? nullptr : results[i].values.find("left");
    if (left == nullptr) continue;
    const std::filesystem::path& path = tasks[i].inputs[0].path;
    return fail(Error{ErrorCode::invalid, left->text_or("message"), left->text_or("hint"),
                      SourceRange{(path.parent_path().filename() / path.filename()).string(),
                                  static_cast<int>(left->int_or("line")), 0},
                      nullptr});
  }
  return {};
}

std::int64_t last_sealed(const table::Snapshot& snapshot) {
  std::int64_t last = 0;
  for (const table::Part& part : snapshot.parts) {
    if (!part.origin.starts_with(kArrivedOrigin)) continue;
    last = std::max(last, std::int64_t{std::stoll(part.origin.substr(part.origin.rfind('.') + 1))});
  }
  return last;
}

std::string schema_setting(const std::string& project, const std::string& source) {
  return "schema/" + project + "/" + source;
}

Result<Json> sniff_here(table::Engine& engine, const Task& task) {
  table::OperationRun run{.engine = engine,
                          .params = task.params,
                          .inputs = {},
                          .output_folder = {},
                          .progress = [](std::int64_t, std::int64_t, std::string_view) { return true; }};
  for (const TaskInput& input : task.inputs) run.inputs[input.name].push_back(input.path);
  return ingest::sniff(run);
}

}  // namespace

std::vector<std::string> left_rows_of(const table::Snapshot& source) {
  std::vector<std::string> lines;
  const std::string name = source.name.substr(source.name.find('/') + 1);
  for (const table::Part& part : source.parts) {
    if (part.left_why.empty()) continue;
    const std::string rows = part.left == 1 ? "1 row" : std::to_string(part.left) + " rows";
    lines.push_back("source " + name + ": " + (part.set_aside ? "a file was set aside" : rows + " left") +
                    ": " + part.left_why);
  }
  return lines;
}

std::string source_dataset(const std::string& source) { return "source/" + source; }
std::string table_dataset(const std::string& table) { return "table/" + table; }

Result<std::optional<table::Snapshot>> load_snapshot(store::Home& home, const std::string& project,
                                                     const std::string& dataset) {
  std::string manifest;
  TRY(home.database().read([&](store::Connection& connection) -> Status {
    store::Statement row =
        connection.prepare("SELECT manifest_sha256 FROM dataset WHERE project = ? AND name = ?");
    if (TRY(row.with(project, dataset).step())) manifest = row.text(0);
    return {};
  }));
  if (manifest.empty()) return std::optional<table::Snapshot>();
  const Json json = TRY(base::parse_json(TRY(home.blobs().get(manifest))));
  return std::optional(TRY(table::Snapshot::from_json(json)));
}

Result<std::string> save_snapshot(store::Home& home, const std::string& project,
                                  const table::Snapshot& snapshot, TimeUs now) {
  const std::string manifest = TRY(home.blobs().put(snapshot.to_json().dump()));
  TRY(home.database().write([&](store::Connection& connection) -> Status {
    return connection
        .prepare(
            "INSERT INTO dataset (project, name, manifest_sha256, row_count, updated_at) "
            "VALUES (?, ?, ?, ?, ?) ON CONFLICT (project, name) DO UPDATE SET manifest_sha256 = "
            "excluded.manifest_sha256, row_count = excluded.row_count, updated_at = excluded.updated_at "
            "WHERE manifest_sha256 != excluded.manifest_sha256")
        .with(project, snapshot.name, manifest, snapshot.rows(), now)
        .run();
  }));
  return manifest;
}

Result<std::optional<table::Schema>> frozen_schema(store::Home& home, const std::string& project,
                                                   const project::Source& source) {
  std::string frozen;
  TRY(home.database().read([&](store::Connection& connection) -> Status {
    store::Statement row = connection.prepare("SELECT value FROM setting WHERE name = ?");
    if (TRY(row.with(schema_setting(project, source.name)).step())) frozen = row.text(0);
    return {};
  }));
  if (frozen.empty()) return std::optional<table::Schema>();
  const Json kept = TRY(base::parse_json(frozen));
  if (kept["declaration"] != ingest::sniff_params(source)) return std::optional<table::Schema>();
  return std::optional(TRY(table::Schema::from_json(kept["schema"])));
}

SourceRefresh::SourceRefresh(const project::Project& project, store::Home& home, table::Engine& engine,
                             Executor& executor, const base::Clock& clock)
    : project_(project), home_(home), engine_(engine), executor_(executor), clock_(clock) {}

Result<std::string> SourceRefresh::file_hash(const std::filesystem::path& path, std::uint64_t size,
                                             std::int64_t mtime_ns, std::uint64_t inode) {
  if (!known_loaded_) {
    TRY(home_.database().read([this](store::Connection& connection) -> Status {
      store::Statement row =
          connection.prepare("SELECT path, size, mtime_ns, inode, sha256 FROM source_file");
      while (TRY(row.step())) {
        known_files_[row.text(0)] = {static_cast<std::uint64_t>(row.integer(1)), row.integer(2),
                                     static_cast<std::uint64_t>(row.integer(3)), row.text(4)};
      }
      return {};
    }));
    known_loaded_ = true;
  }
  const auto known = known_files_.find(path.string());
  const bool unchanged = known != known_files_.end() && known->second.size == size &&
                         known->second.mtime_ns == mtime_ns && known->second.inode == inode;
  if (unchanged) return known->second.sha256;
  const std::string sha256 = TRY(base::sha256_file(path));
  known_files_[path.string()] = {size, mtime_ns, inode, sha256};
  // Nobody waits for this row: losing it costs one more reading of the file.
  home_.database().submit(
      [path = path.string(), size, mtime_ns, inode, sha256](store::Connection& connection) -> Status {
        return connection
            .prepare(
                "INSERT OR REPLACE INTO source_file (path, size, mtime_ns, inode, sha256) "
                "VALUES (?, ?, ?, ?, ?)")
            .with(path, static_cast<std::int64_t>(size), mtime_ns, static_cast<std::int64_t>(inode), sha256)
            .run();
      },
      [](const Status&) {});
  return sha256;
}

Result<table::Schema> SourceRefresh::raw_schema(const project::Source& source, ProgressListener& listener) {
  if (const auto seen = raw_.find(source.name); seen != raw_.end()) return seen->second;
  const Json declaration = ingest::sniff_params(source);
  if (const auto frozen = TRY(frozen_schema(home_, project_.name, source)))
    return raw_[source.name] = *frozen;
  Task task{.operation = "sniff", .label = "sniff " + source.name, .params = declaration};
  for (const ingest::SourceFile& file : TRY(ingest::find_files(source, project_.folder))) {
    const std::string sha256 = TRY(file_hash(file.path, file.size, file.mtime_ns, file.inode));
    task.inputs.push_back({"file", sha256, file.path});
  }
  const TaskResult result = TRY(executor_.run_one(task, listener));
  // A plan needs the schema to say anything at all, so it looks at the files itself.
  const Json values = result.pending ? TRY(sniff_here(engine_, task)) : result.values;
  const table::Schema schema = TRY(table::Schema::from_json(values["schema"]));
  if (executor_.is_dry_run()) return raw_[source.name] = schema;
  const std::string kept = Json::object({{"declaration", declaration}, {"schema", schema.to_json()}}).dump();
  TRY(home_.database().write([&](store::Connection& connection) -> Status {
    return connection.prepare("INSERT OR REPLACE INTO setting (name, value) VALUES (?, ?)")
        .with(schema_setting(project_.name, source.name), kept)
        .run();
  }));
  return raw_[source.name] = schema;
}

Result<table::Schema> SourceRefresh::schema(const project::Source& source, ProgressListener& listener) {
  return ingest::source_schema(engine_, source, TRY(raw_schema(source, listener)));
}

Result<Json> SourceRefresh::reading(const project::Source& source, ProgressListener& listener) {
  return ingest::ingest_params(source, TRY(raw_schema(source, listener)));
}

Result<std::vector<Task>> SourceRefresh::file_tasks(const project::Source& source,
                                                    ProgressListener& listener) {
  const Json params = TRY(reading(source, listener));
  std::vector<Task> tasks;
  for (const ingest::SourceFile& file : TRY(ingest::find_files(source, project_.folder))) {
    const std::string sha256 = TRY(file_hash(file.path, file.size, file.mtime_ns, file.inode));
    tasks.push_back({.operation = "ingest",
                     .label = "ingest " + source.name + ": " + file.name,
                     .params = params,
                     .inputs = {{"file", sha256, file.path}}});
  }
  return tasks;
}

// Rows that came since the last refresh become one more part. A sealed part is never opened again, so that
// what was computed from it stays valid.
Status SourceRefresh::seal_arrived(const project::Source& source, table::Snapshot& snapshot,
                                   ProgressListener& listener) {
  const std::optional<table::Snapshot> before =
      TRY(load_snapshot(home_, project_.name, source_dataset(source.name)));
  if (before) {
    for (const table::Part& part : before->parts) {
      if (part.origin.starts_with(kArrivedOrigin)) snapshot.parts.push_back(part);
    }
  }
  const std::int64_t sealed = last_sealed(snapshot);
  std::int64_t first = 0;
  std::int64_t last = 0;
  std::string lines;
  TRY(home_.database().read([&](store::Connection& connection) -> Status {
    store::Statement row = connection.prepare(
        "SELECT sequence, row_json FROM arrived_row WHERE project = ? AND source = ? AND sequence > ? "
        "ORDER BY sequence");
    row.with(project_.name, source.name, sealed);
    while (TRY(row.step())) {
      last = row.integer(0);
      if (first == 0) first = last;
      lines += row.text(1) + "\n";
    }
    return {};
  }));
  if (lines.empty()) return {};
  const std::string blob = TRY(home_.blobs().put(lines));
  const std::string origin =
      std::string(kArrivedOrigin) + std::to_string(first) + ".." + std::to_string(last);
  const Task task{.operation = "ingest_rows",
                  .label = "ingest " + source.name + ": " + origin,
                  .params = ingest::ingest_rows_params(snapshot.schema, source.time),
                  .inputs = {{"rows", blob, {}}}};
  const TaskResult result = TRY(executor_.run_one(task, listener));
  if (!result.pending) snapshot.parts.push_back(part_of(result, origin, blob));
  return {};
}

Result<table::Snapshot> SourceRefresh::refresh(const project::Source& source, TimeUs as_of,
                                               ProgressListener& listener, bool& pending) {
  table::Snapshot snapshot;
  snapshot.name = source_dataset(source.name);
  snapshot.schema = TRY(schema(source, listener));
  snapshot.time_column = source.time;
  const std::vector<Task> tasks = TRY(file_tasks(source, listener));
  const std::vector<TaskResult> results = TRY(executor_.run(tasks, listener));
  const bool is_first = !TRY(load_snapshot(home_, project_.name, snapshot.name));
  if (is_first) TRY(demand_readable(tasks, results));
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    const std::string origin = tasks[i].inputs[0].path.lexically_relative(project_.folder).string();
    if (results[i].pending) {
      // A plan counts on the part, though nobody knows yet what will be in it.
      pending = true;
      table::Part part;
      part.origin = origin;
      snapshot.parts.push_back(std::move(part));
      continue;
    }
    snapshot.parts.push_back(part_of(results[i], origin, tasks[i].inputs[0].sha256));
  }
  TRY(seal_arrived(source, snapshot, listener));
  std::sort(snapshot.parts.begin(), snapshot.parts.end(), [](const table::Part& a, const table::Part& b) {
    return std::tie(a.time_min, a.origin) < std::tie(b.time_min, b.origin);
  });
  if (!executor_.is_dry_run()) {
    TRY(save_snapshot(home_, project_.name, snapshot, clock_.now()));
  }
  std::erase_if(snapshot.parts,
                [as_of](const table::Part& part) { return part.time_min && *part.time_min > as_of; });
  return snapshot;
}

}  // namespace trimtab::flow

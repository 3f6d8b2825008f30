#include "api/native/native_routes.h"
#include "base/hash.h"
#include "table/batch.h"

namespace trimtab::api {
namespace {

struct ArrivingRow {
  std::string json;  // Compact, columns in schema order.
  std::optional<TimeUs> time;
};

// Rows of a request, checked against the source's schema; in batches for the lookups, as text for the disk.
struct ArrivingRows {
  std::vector<table::Batch> batches;
  std::vector<ArrivingRow> rows;
};

Status read_row(const table::Schema& schema, const Json& row, std::size_t number, table::Batch& batch, int at,
                ArrivingRow& out, const std::string& time_column) {
  const std::string place = "row " + std::to_string(number + 1);
  if (!row.is_object()) return fail(ErrorCode::invalid, place + " is no object");
  for (const auto& [name, value] : row.as_object()) {
    if (schema.find(name)) continue;
    return fail(ErrorCode::invalid, place + ": there is no column '" + name + "'",
                base::did_you_mean(name, schema.names()));
  }
  Json kept = Json::object();
  for (int column = 0; column < schema.size(); ++column) {
    const std::string& name = schema.at(column).name;
    const Status set = batch.set_cell_json(column, at, row[name]);
    if (!set) return fail(set.error().code, place + ": " + set.error().message, set.error().hint);
    kept.set(name, batch.cell_json(column, at));
    if (name == time_column && !batch.is_null(column, at)) out.time = batch.time(column, at);
  }
  out.json = kept.dump();
  return {};
}

Result<ArrivingRows> read_rows(const table::Schema& schema, const Json& body,
                               const std::string& time_column) {
  const Json& rows = body["rows"];
  if (!rows.is_array()) {
    return fail(ErrorCode::invalid, "the body has no list 'rows'", R"(send {"rows":[{"column":value,…},…]})");
  }
  ArrivingRows arriving;
  const std::size_t count = rows.as_array().size();
  for (std::size_t begin = 0; begin < count; begin += table::kBatchRowsMax) {
    table::Batch batch(schema);
    const std::size_t size = std::min<std::size_t>(count - begin, table::kBatchRowsMax);
    batch.reset(static_cast<int>(size));
    for (std::size_t i = 0; i < size; ++i) {
      ArrivingRow row;
      TRY(read_row(schema, rows.as_array()[begin + i], begin + i, batch, static_cast<int>(i), row,
                   time_column));
      arriving.rows.push_back(std::move(row));
    }
    arriving.batches.push_back(std::move(batch));
  }
  return arriving;
}

Status write_rows(store::Connection& connection, const std::string& project, const std::string& source,
                  const std::vector<ArrivingRow>& rows, TimeUs now, std::int64_t& accepted) {
  for (const ArrivingRow& row : rows) {
    store::Statement insert = connection.prepare(
        "INSERT OR IGNORE INTO arrived_row (project, source, time, received, row_json, row_sha256) "
        "VALUES (?, ?, ?, ?, ?, ?)");
    insert.bind(0, project).bind(1, source).bind(3, now).bind(4, row.json).bind(5, base::sha256(row.json));
    if (row.time) insert.bind(2, *row.time);
    if (!row.time) insert.bind_null(2);
    TRY(insert.run());
    accepted += connection.changes();
  }
  return {};
}

// Durable first, then visible to predictions, then acknowledged.
http::Answer accept_rows(ServerRooms& rooms, const http::Request& request, http::ReplyPromise promise) {
  const std::string source = request.path_values[0];
  const Result<table::Schema> schema = rooms.source_schema(source);
  if (!schema) return http::error_reply(schema.error());
  const project::Project& project = *rooms.project_of_source(source);
  const Result<Json> body = base::parse_json(request.body);
  if (!body) return http::error_reply(body.error());
  Result<ArrivingRows> read = read_rows(*schema, *body, project.find_source(source)->time);
  if (!read) return http::error_reply(read.error());
  auto arriving = std::make_shared<ArrivingRows>(std::move(*read));
  auto accepted = std::make_shared<std::int64_t>(0);
  const TimeUs now = rooms.clock.now();
  rooms.home.database().submit(
      [project = project.name, source, arriving, accepted, now](store::Connection& connection) {
        *accepted = 0;
        return write_rows(connection, project, source, arriving->rows, now, *accepted);
      },
      [&rooms, source, arriving, accepted, now, promise](const Status& status) mutable {
        Status visible = status;
        for (const table::Batch& batch : arriving->batches) {
          if (visible && *accepted > 0) visible = rooms.lookups.append(source, batch, now);
        }
        if (!visible) return promise.send(http::error_reply(visible.error()));
        Json json = Json::object({{"accepted", *accepted}});
        json.set("repeated", static_cast<std::int64_t>(arriving->rows.size()) - *accepted);
        promise.send(http::Reply::json(json));
      });
  return http::Pending{};
}

}  // namespace

std::vector<http::Route> table_routes(ServerRooms& rooms) {
  const Json any = Json::object({{"type", "object"}});
  return {{.method = "POST",
           .path = "/api/v1/tables/{name}/rows",
           .summary = "Rows of a source that arrive one by one; joins see them from now on",
           .permission = http::Permission::clock,
           .request_schema = any,
           .reply_schema = any,
           .handler = [&rooms](const http::Request& request, http::ReplyPromise promise) {
             return accept_rows(rooms, request, std::move(promise));
           }}};
}

}  // namespace trimtab::api

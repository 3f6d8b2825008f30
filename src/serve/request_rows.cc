#include "serve/request_rows.h"

#include <algorithm>

#include "base/diagnostics.h"

namespace trimtab::serve {
namespace {

// A request brought to one shape: column names and, for each, the cells.
struct Cells {
  std::vector<std::string> columns;
  std::vector<std::vector<const Json*>> rows;  // Null pointer: the row does not have the column.
};

Error row_error(std::size_t row, const std::string& words, std::string hint = {}) {
  return {ErrorCode::invalid, "row " + std::to_string(row + 1) + ": " + words, std::move(hint), std::nullopt,
          nullptr};
}

Result<Cells> from_split(const Json& split) {
  const Json& columns = split["columns"];
  const Json& data = split["data"];
  if (!columns.is_array() || !data.is_array()) {
    return fail(ErrorCode::malformed, "dataframe_split wants the lists 'columns' and 'data'");
  }
  Cells cells;
  for (const Json& column : columns.as_array()) {
    if (!column.is_string())
      return fail(ErrorCode::malformed, "a column's name is no text: " + column.dump());
    cells.columns.push_back(column.as_string());
  }
  for (std::size_t row = 0; row < data.as_array().size(); ++row) {
    const Json& values = data.as_array()[row];
    const std::size_t count = values.is_array() ? values.as_array().size() : 0;
    if (!values.is_array() || count != cells.columns.size()) {
      return fail(row_error(row, "it has " + std::to_string(count) + " values for " +
                                     std::to_string(cells.columns.size()) + " columns"));
    }
    std::vector<const Json*>& out = cells.rows.emplace_back();
    for (const Json& value : values.as_array()) out.push_back(&value);
  }
  return cells;
}

Result<Cells> from_records(const Json& records, std::string_view dialect) {
  if (!records.is_array())
    return fail(ErrorCode::malformed, std::string(dialect) + " wants a list of objects");
  Cells cells;
  for (std::size_t row = 0; row < records.as_array().size(); ++row) {
    const Json& record = records.as_array()[row];
    if (!record.is_object()) {
      return fail(
          row_error(row, "it is no object", "columns are matched by name: send {\"column\": value, …}"));
    }
    std::vector<const Json*>& out = cells.rows.emplace_back(cells.columns.size(), nullptr);
    for (const auto& [name, value] : record.as_object()) {
      auto at = std::find(cells.columns.begin(), cells.columns.end(), name);
      if (at == cells.columns.end()) {
        cells.columns.push_back(name);
        out.push_back(nullptr);
        at = cells.columns.end() - 1;
      }
      out[static_cast<std::size_t>(at - cells.columns.begin())] = &value;
    }
  }
  for (std::vector<const Json*>& row : cells.rows) row.resize(cells.columns.size(), nullptr);
  return cells;
}

Result<Cells> from_inputs(const Json& inputs) {
  if (inputs.is_array()) return from_records(inputs, "inputs");
  if (!inputs.is_object()) return fail(ErrorCode::malformed, "inputs wants an object of columns");
  Cells cells;
  for (const auto& [name, values] : inputs.as_object()) {
    const std::size_t count = values.is_array() ? values.as_array().size() : 1;
    if (cells.columns.empty()) cells.rows.resize(count);
    if (count != cells.rows.size()) {
      return fail(ErrorCode::invalid, "column '" + name + "' has " + std::to_string(count) +
                                          " values, others have " + std::to_string(cells.rows.size()));
    }
    cells.columns.push_back(name);
    for (std::size_t row = 0; row < count; ++row) {
      cells.rows[row].push_back(values.is_array() ? &values.as_array()[row] : &values);
    }
  }
  return cells;
}

Result<Cells> read_cells(const Json& body) {
  if (const Json* split = body.find("dataframe_split")) return from_split(*split);
  if (const Json* records = body.find("dataframe_records"))
    return from_records(*records, "dataframe_records");
  if (const Json* instances = body.find("instances")) return from_records(*instances, "instances");
  if (const Json* inputs = body.find("inputs")) return from_inputs(*inputs);
  return fail(ErrorCode::malformed,
              "The input must be a JSON dictionary with exactly one of the input fields {'dataframe_split', "
              "'dataframe_records', 'instances', 'inputs'}");
}

bool listed(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Status check_names(const Cells& cells, const RequestColumns& columns) {
  for (const std::string& name : cells.columns) {
    const bool known = name == kIdColumn || columns.required.find(name) || columns.optional.find(name) ||
                       listed(columns.ignored, name);
    if (known) continue;
    std::string hint = base::did_you_mean(name, columns.names());
    if (hint.empty()) hint = "GET …/schema lists the columns";
    return fail(ErrorCode::invalid, "there is no column '" + name + "'", hint);
  }
  std::string missing;
  for (const table::Column& column : columns.required.columns()) {
    if (listed(cells.columns, column.name)) continue;
    missing += (missing.empty() ? "'" : ", '") + column.name + "'";
  }
  if (missing.empty()) return {};
  return fail(ErrorCode::invalid, "the request lacks the column " + missing,
              "null says that a value is not known");
}

}  // namespace

std::vector<std::string> RequestColumns::names() const {
  std::vector<std::string> names = required.names();
  for (const std::string& name : optional.names()) names.push_back(name);
  names.insert(names.end(), ignored.begin(), ignored.end());
  return names;
}

Result<RequestRows> read_request(const Json& body, const RequestColumns& columns) {
  const Cells cells = TRY(read_cells(body));
  if (cells.rows.empty()) return fail(ErrorCode::invalid, "the request has no rows");
  if (cells.rows.size() > table::kBatchRowsMax) {
    return fail(ErrorCode::too_large, "the request has " + std::to_string(cells.rows.size()) + " rows",
                "send at most " + std::to_string(table::kBatchRowsMax) + " at once");
  }
  TRY(check_names(cells, columns));
  table::Schema schema = columns.required;
  std::vector<int> at(cells.columns.size(), -1);
  for (std::size_t i = 0; i < cells.columns.size(); ++i) {
    const std::optional<int> optional = columns.optional.find(cells.columns[i]);
    if (optional && !schema.find(cells.columns[i])) schema.add(columns.optional.at(*optional));
    at[i] = schema.find(cells.columns[i]).value_or(-1);
  }
  RequestRows request{table::Batch(schema), std::vector<std::optional<std::string>>(cells.rows.size())};
  request.rows.reset(static_cast<int>(cells.rows.size()));
  for (std::size_t row = 0; row < cells.rows.size(); ++row) {
    for (int column = 0; column < schema.size(); ++column)
      request.rows.set_null(column, static_cast<int>(row));
    for (std::size_t i = 0; i < cells.columns.size(); ++i) {
      const Json* value = cells.rows[row][i];
      if (value == nullptr) continue;
      if (cells.columns[i] == kIdColumn) {
        if (!value->is_string()) return fail(row_error(row, "prediction_id is no text: " + value->dump()));
        request.ids[row] = value->as_string();
      }
      if (at[i] < 0) continue;
      const Status set = request.rows.set_cell_json(at[i], static_cast<int>(row), *value);
      if (!set) return fail(row_error(row, set.error().message, set.error().hint));
    }
  }
  return request;
}

}  // namespace trimtab::serve

#include "serve/request_rows.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/diagnostics.h"

namespace trimtab::serve {
namespace {

// So many sets of columns, and so many ways to list them, are remembered.
constexpr std::size_t kShapesMax = 16;
constexpr std::size_t kPlansMax = 64;

struct Cell {
  JsonView value;
  bool is_there = false;  // False: the row does not have the column.
};

Error row_error(std::size_t row, const std::string& words, std::string hint = {}) {
  return {ErrorCode::invalid, "row " + std::to_string(row + 1) + ": " + words, std::move(hint), std::nullopt,
          nullptr};
}

Error too_wide() {
  return {ErrorCode::too_large, "the request has more than " + std::to_string(kColumnsMax) + " columns",
          "send those that GET …/schema lists", std::nullopt, nullptr};
}

bool is_dialect(std::string_view name) {
  return name == "dataframe_split" || name == "dataframe_records" || name == "instances" || name == "inputs";
}

// A request brought to one shape: column names and, for each row, the cells; a row may end early.
class Cells {
 public:
  // Errors: malformed, invalid.
  Status read(JsonView body) {
    columns.clear();
    cells_.clear();
    begins_.clear();
    explain = false;
    std::string_view dialect;
    JsonView rows;
    JsonView wish;  // Null: nothing is said.
    int dialects = 0;
    if (body.is_object()) {
      body.each_member([&](std::string_view name, JsonView value) {
        if (name == "explain") wish = value;
        if (!is_dialect(name)) return;
        dialect = name;
        rows = value;
        ++dialects;
      });
    }
    if (dialects != 1) {
      return fail(ErrorCode::malformed,
                  "The input must be a JSON dictionary with exactly one of the input fields "
                  "{'dataframe_split', 'dataframe_records', 'instances', 'inputs'}");
    }
    TRY(read_wish(wish));
    if (dialect == "dataframe_split") {
      TRY(read_split(rows));
    } else if (dialect == "inputs") {
      TRY(read_inputs(rows));
    } else {
      TRY(read_records(rows, dialect));
    }
    return columns.size() > kColumnsMax ? fail(too_wide()) : Status();
  }

  std::vector<std::string_view> columns;
  bool explain = false;  // "explain": true stands beside the rows.
  std::size_t rows() const { return begins_.size(); }
  std::span<const Cell> row(std::size_t number) const {
    const std::size_t end = number + 1 < begins_.size() ? begins_[number + 1] : cells_.size();
    return std::span(cells_).subspan(begins_[number], end - begins_[number]);
  }

 private:
  Status read_wish(JsonView wish) {
    if (wish.kind() == JsonView::Kind::null) return {};
    if (wish.kind() != JsonView::Kind::boolean)
      return fail(ErrorCode::malformed, "'explain' is true or false, not " + wish.to_json().dump());
    explain = wish.as_bool();
    return {};
  }

  Status read_split(JsonView split) {
    const JsonView names = split.find("columns").value_or(JsonView());
    const JsonView data = split.find("data").value_or(JsonView());
    if (!names.is_array() || !data.is_array()) {
      return fail(ErrorCode::malformed, "dataframe_split wants the lists 'columns' and 'data'");
    }
    Status status;
    names.each_item([&](JsonView name) {
      if (name.is_text()) columns.push_back(name.as_text());
      if (name.is_text() || !status) return;
      status = fail(ErrorCode::malformed, "a column's name is no text: " + name.to_json().dump());
    });
    data.each_item([&](JsonView values) {
      if (status) status = add_values(values);
    });
    return status;
  }

  Status add_values(JsonView values) {
    begins_.push_back(cells_.size());
    if (values.is_array()) values.each_item([this](JsonView value) { cells_.push_back({value, true}); });
    const std::size_t count = cells_.size() - begins_.back();
    if (values.is_array() && count == columns.size()) return {};
    return fail(row_error(rows() - 1, "it has " + std::to_string(count) + " values for " +
                                          std::to_string(columns.size()) + " columns"));
  }

  Status read_records(JsonView records, std::string_view dialect) {
    if (!records.is_array())
      return fail(ErrorCode::malformed, std::string(dialect) + " wants a list of objects");
    Status status;
    records.each_item([&](JsonView record) {
      if (!status) return;
      if (record.is_object()) return add_record(record);
      status = fail(
          row_error(rows(), "it is no object", "columns are matched by name: send {\"column\": value, …}"));
    });
    return status;
  }

  void add_record(JsonView record) {
    const std::size_t begin = cells_.size();
    begins_.push_back(begin);
    std::size_t expected = 0;  // Most records list their members as the one before.
    record.each_member([&](std::string_view name, JsonView value) {
      if (columns.size() > kColumnsMax) return;  // It is refused: what else there is makes no difference.
      const std::size_t at = column_of(name, expected);
      expected = at + 1;
      if (cells_.size() <= begin + at) cells_.resize(begin + at + 1);
      cells_[begin + at] = {value, true};
    });
  }

  std::size_t column_of(std::string_view name, std::size_t expected) {
    if (expected < columns.size() && columns[expected] == name) return expected;
    const auto at = std::find(columns.begin(), columns.end(), name);
    const auto found = static_cast<std::size_t>(at - columns.begin());
    if (at == columns.end()) columns.push_back(name);
    return found;
  }

  Status read_inputs(JsonView inputs) {
    if (inputs.is_array()) return read_records(inputs, "inputs");
    if (!inputs.is_object()) return fail(ErrorCode::malformed, "inputs wants an object of columns");
    const std::size_t width = inputs.size();
    Status status;
    inputs.each_member([&](std::string_view name, JsonView values) {
      if (!status) return;
      const std::size_t count = values.is_array() ? values.size() : 1;
      if (columns.empty()) make_rows(count, width);
      if (count != rows()) {
        status = fail(ErrorCode::invalid, "column '" + std::string(name) + "' has " + std::to_string(count) +
                                              " values, others have " + std::to_string(rows()));
        return;
      }
      std::size_t at = columns.size();
      columns.push_back(name);
      if (!values.is_array()) {
        cells_[at] = {values, true};
        return;
      }
      values.each_item([&](JsonView value) {
        cells_[at] = {value, true};
        at += width;
      });
    });
    return status;
  }

  void make_rows(std::size_t count, std::size_t width) {
    cells_.resize(count * width);
    for (std::size_t row = 0; row < count; ++row) begins_.push_back(row * width);
  }

  std::vector<Cell> cells_;          // Row after row, …
  std::vector<std::size_t> begins_;  // … each from here.
};

bool listed(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// The first name that nobody knows.
std::optional<std::string_view> unknown_name(const std::vector<std::string_view>& sent,
                                             const RequestColumns& columns) {
  for (const std::string_view name : sent) {
    const bool known = name == kIdColumn || columns.required.find(name) || columns.optional.find(name) ||
                       listed(columns.ignored, name);
    if (!known) return name;
  }
  return std::nullopt;
}

Error no_such_column(std::string_view name, const RequestColumns& columns) {
  std::string hint = base::did_you_mean(std::string(name), columns.names());
  if (hint.empty()) hint = "GET …/schema lists the columns";
  return {ErrorCode::invalid, "there is no column '" + std::string(name) + "'", std::move(hint), std::nullopt,
          nullptr};
}

Status check_complete(const std::vector<std::string_view>& sent, const RequestColumns& columns) {
  std::string missing;
  std::string hint;
  for (const table::Column& column : columns.required.columns()) {
    if (std::find(sent.begin(), sent.end(), column.name) != sent.end()) continue;
    missing += (missing.empty() ? "'" : ", '") + column.name + "'";
    const table::Schema wanted({column});
    const auto like = std::find_if(
        sent.begin(), sent.end(), [&wanted](std::string_view name) { return wanted.find(name).has_value(); });
    if (like != sent.end() && hint.empty())
      hint = "'" + std::string(*like) + "' is written '" + column.name + "'";
  }
  if (missing.empty()) return {};
  return fail(ErrorCode::invalid, "the request lacks the column " + missing,
              hint.empty() ? "null says that a value is not known" : hint);
}

// What a list of column names means.
struct Plan {
  std::vector<std::string> names;
  std::vector<int> at;       // Column of the batch for each name; -1: nobody reads it.
  int id_at = -1;            // Place of prediction_id among the names.
  int key_at = -1;           // The same of the key column.
  bool has_twins = false;    // Two names mean one column.
  bool has_unknown = false;  // A name that nobody knows is among them.
  std::size_t shape = 0;

  bool is_for(const std::vector<std::string_view>& sent) const {
    return std::equal(names.begin(), names.end(), sent.begin(), sent.end());
  }
};

// Two values for one cell: which of them is meant, nobody knows.
Status check_twins(const Plan& plan, std::span<const Cell> values, std::size_t row) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const bool is_same = plan.at[i] >= 0 ? plan.at[i] == plan.at[j] : plan.names[i] == plan.names[j];
      if (is_same && values[i].is_there && values[j].is_there)
        return fail(
            row_error(row, "the column '" + plan.names[i] + "' is there twice", "send one of the two"));
    }
  }
  return {};
}

// The id that the row's sender chose; nothing: none.
Result<std::optional<std::string>> chosen_id(JsonView value, std::size_t row) {
  if (value.kind() == JsonView::Kind::null) return std::optional<std::string>();
  if (!value.is_text()) return fail(row_error(row, "prediction_id is no text: " + value.to_json().dump()));
  const Status is_short = check_id_size(value.as_text());
  if (!is_short) return fail(row_error(row, is_short.error().message, is_short.error().hint));
  return value.as_text().empty() ? std::nullopt : std::optional(std::string(value.as_text()));
}

// Sets a cell. What is plainly of the column's type goes straight in; the batch itself decides on the rest,
// and has the words for a refusal.
Status set_cell(table::Batch& rows, int column, int row, JsonView value) {
  using Kind = JsonView::Kind;
  const Kind kind = value.kind();
  const table::ColumnType type = rows.schema().at(column).type;
  if (kind == Kind::null) return rows.set_null(column, row), Status();
  if (kind == Kind::text && type == table::ColumnType::text)
    return rows.set_text(column, row, value.as_text()), Status();
  if (kind == Kind::integer && type == table::ColumnType::integer)
    return rows.set_integer(column, row, value.as_int()), Status();
  if ((kind == Kind::real || kind == Kind::integer) && type == table::ColumnType::real)
    return rows.set_real(column, row, value.as_double()), Status();
  if (kind == Kind::boolean && type == table::ColumnType::boolean)
    return rows.set_boolean(column, row, value.as_bool()), Status();
  return rows.set_cell_json(column, row, value.to_json());
}

}  // namespace

Status check_id_size(std::string_view id) {
  if (id.size() <= kIdBytesMax) return {};
  return fail(ErrorCode::invalid, "prediction_id has " + std::to_string(id.size()) + " bytes",
              "an id has at most " + std::to_string(kIdBytesMax));
}

struct RequestReader::State {
  explicit State(RequestColumns its_columns) : columns(std::move(its_columns)) { forget(); }

  RequestColumns columns;
  base::JsonText text;
  Cells cells;
  std::vector<Plan> plans;
  std::vector<std::unique_ptr<RequestRows>> shapes;
  std::uint64_t generation = 0;

  void forget() {
    ++generation;
    plans.clear();
    shapes.clear();
    (void)shape_of(columns.required);
  }
  std::size_t shape_of(const table::Schema& schema);
  Result<const Plan*> plan_of(const std::vector<std::string_view>& sent, bool ignores_unknown);
  Status fill(const Plan& plan, RequestRows& request);
  Status set(RequestRows& request, int column, int row, JsonView value) const;
};

std::size_t RequestReader::State::shape_of(const table::Schema& schema) {
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    if (shapes[i]->rows.schema() == schema) return i;
  }
  shapes.push_back(
      std::make_unique<RequestRows>(RequestRows{table::Batch(schema), {}, {}, false, {}, shapes.size()}));
  return shapes.size() - 1;
}

Result<const Plan*> RequestReader::State::plan_of(const std::vector<std::string_view>& sent,
                                                  bool ignores_unknown) {
  for (const Plan& plan : plans) {
    if (plan.is_for(sent) && (ignores_unknown || !plan.has_unknown)) return &plan;
  }
  const std::optional<std::string_view> unknown = unknown_name(sent, columns);
  if (unknown && !ignores_unknown) return fail(no_such_column(*unknown, columns));
  TRY(check_complete(sent, columns));
  if (plans.size() >= kPlansMax || shapes.size() >= kShapesMax) forget();
  table::Schema schema = columns.required;
  for (const table::Column& column : columns.optional.columns()) {
    const auto is_sent = [&column](std::string_view name) {
      return table::Schema({column}).find(name).has_value();
    };
    if (!schema.find(column.name) && std::any_of(sent.begin(), sent.end(), is_sent)) schema.add(column);
  }
  Plan plan;
  plan.has_unknown = unknown.has_value();
  for (const std::string_view name : sent) {
    if (name == kIdColumn) plan.id_at = static_cast<int>(plan.names.size());
    if (name == columns.key) plan.key_at = static_cast<int>(plan.names.size());
    const int at = schema.find(name).value_or(-1);
    const bool is_twin = at >= 0 ? std::find(plan.at.begin(), plan.at.end(), at) != plan.at.end()
                                 : std::find(plan.names.begin(), plan.names.end(), name) != plan.names.end();
    plan.has_twins = plan.has_twins || is_twin;
    plan.names.emplace_back(name);
    plan.at.push_back(at);
  }
  plan.shape = shape_of(schema);
  plans.push_back(std::move(plan));
  return &plans.back();
}

// Where cells are mended, none is refused.
Status RequestReader::State::set(RequestRows& request, int column, int row, JsonView value) const {
  table::Batch& rows = request.rows;
  Status status = set_cell(rows, column, row, value);
  if (!columns.mending) return status;
  const KnownLevels* levels = columns.mending->levels_of(column);
  if (!status) {
    const Json sent = value.to_json();
    std::string text = sent.dump();
    // A level such as 10001 that was sent as a number.
    const bool is_level = levels != nullptr && levels->knows(text);
    if (is_level) rows.set_text(column, row, text);
    const Mending how = is_level ? Mending::level : mend_cell(rows, column, row, sent);
    request.mended.push_back({column, row, how, std::move(text)});
    return {};
  }
  if (levels == nullptr || rows.is_null(column, row)) return {};
  const std::string* level = levels->meant_by(rows.text(column, row));
  if (level == nullptr) return {};
  std::string sent;
  base::append_json_string(sent, rows.text(column, row));
  rows.set_text(column, row, *level);
  request.mended.push_back({column, row, Mending::level, std::move(sent)});
  return {};
}

Status RequestReader::State::fill(const Plan& plan, RequestRows& request) {
  table::Batch& rows = request.rows;
  rows.reset(static_cast<int>(cells.rows()));
  request.ids.assign(cells.rows(), std::nullopt);
  request.keys.clear();
  request.mended.clear();
  if (plan.key_at >= 0) request.keys.resize(cells.rows());
  const auto id_at = static_cast<std::size_t>(plan.id_at);
  const auto key_at = static_cast<std::size_t>(plan.key_at);
  for (std::size_t number = 0; number < cells.rows(); ++number) {
    const int row = static_cast<int>(number);
    const std::span<const Cell> values = cells.row(number);
    const bool is_whole = !plan.has_twins && values.size() == plan.names.size() &&
                          std::all_of(values.begin(), values.end(), [](const Cell& c) { return c.is_there; });
    if (plan.has_twins) TRY(check_twins(plan, values, number));
    for (int column = 0; !is_whole && column < rows.schema().size(); ++column) rows.set_null(column, row);
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!values[i].is_there) continue;
      const JsonView value = values[i].value;
      if (i == id_at) request.ids[number] = TRY(chosen_id(value, number));
      if (i == key_at && value.kind() != JsonView::Kind::null) {
        request.keys[number] = value.is_text() ? std::string(value.as_text()) : value.to_json().dump();
      }
      if (plan.at[i] < 0) continue;
      const Status is_set = set(request, plan.at[i], row, value);
      if (!is_set) return fail(row_error(number, is_set.error().message, is_set.error().hint));
    }
  }
  return {};
}

RequestReader::RequestReader(RequestColumns columns) : state_(std::make_unique<State>(std::move(columns))) {}
RequestReader::~RequestReader() = default;

std::uint64_t RequestReader::generation() const { return state_->generation; }

Result<RequestRows*> RequestReader::read(std::string_view body, bool ignores_unknown) {
  State& state = *state_;
  TRY(state.cells.read(TRY(state.text.parse(body))));
  const std::size_t rows = state.cells.rows();
  if (rows == 0) return fail(ErrorCode::invalid, "the request has no rows");
  if (rows > static_cast<std::size_t>(table::kBatchRowsMax)) {
    return fail(ErrorCode::too_large, "the request has " + std::to_string(rows) + " rows",
                "send at most " + std::to_string(table::kBatchRowsMax) + " at once");
  }
  const Plan* plan = TRY(state.plan_of(state.cells.columns, ignores_unknown));
  RequestRows& request = *state.shapes[plan->shape];
  TRY(state.fill(*plan, request));
  request.explain = state.cells.explain;
  return &request;
}

}  // namespace trimtab::serve

#include "bridges/sagemaker/data_capture.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/base64.h"

namespace trimtab::bridges {
namespace {

tl::unexpected<Error> no_capture(const std::string& what) {
  return fail(ErrorCode::invalid, "this is no captured call: " + what,
              "capture files hold a JSON object with 'captureData' and 'eventMetadata' in each line");
}

constexpr std::string_view kBase64Letters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n";

// A body as bytes, whatever it was written as.
Result<std::string> body_of(const Json& side, const char* name) {
  if (!side["data"].is_string()) return no_capture(std::string(name) + " has no data");
  const std::string& data = side["data"].as_string();
  const std::string encoding = side.text_or("encoding", "CSV");
  if (encoding == "CSV" || encoding == "JSON") return data;
  if (encoding != "BASE64") {
    return no_capture("the encoding of " + std::string(name) + " is '" + encoding +
                      "', CSV, JSON or BASE64 is wanted");
  }
  const std::optional<std::string> bytes = base::from_base64(data);
  const bool is_base64 = bytes && data.find_first_not_of(kBase64Letters) == std::string::npos;
  if (!is_base64) return no_capture(std::string("the data of ") + name + " is no base64");
  return *bytes;
}

// Of bytes the type of the content tells.
bool is_json(const Json& side) {
  const std::string encoding = side.text_or("encoding");
  if (encoding == "CSV") return false;
  return encoding == "JSON" || side.text_or("observedContentType").find("json") != std::string::npos;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string line = text.substr(at, end - at);
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) lines.push_back(std::move(line));
    at = end + 1;
  }
  return lines;
}

// RFC 4180: quotes around a cell, doubled within. Cells are what was captured, digit by digit: what looks
// like a number may be a postal code. Nothing at all is no value, "" is an empty text.
std::vector<Json> cells_of(const std::string& line) {
  std::vector<Json> cells;
  std::string cell;
  bool is_quoted = false;
  bool was_quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '"') {
      const bool is_doubled = is_quoted && i + 1 < line.size() && line[i + 1] == '"';
      if (is_doubled) cell += line[++i];
      if (!is_doubled) is_quoted = !is_quoted;
      was_quoted = true;
    } else if (c == ',' && !is_quoted) {
      cells.push_back(cell.empty() && !was_quoted ? Json() : Json(cell));
      cell.clear();
      was_quoted = false;
    } else {
      cell += c;
    }
  }
  cells.push_back(cell.empty() && !was_quoted ? Json() : Json(cell));
  return cells;
}

Result<std::vector<std::vector<Json>>> input_rows(const Json& side) {
  const std::string body = TRY(body_of(side, "endpointInput"));
  std::vector<std::vector<Json>> rows;
  if (!is_json(side)) {
    for (const std::string& line : lines_of(body)) rows.push_back(cells_of(line));
    return rows;
  }
  const Json json = TRY(base::parse_json(body));
  const Json& list = json["instances"].is_array() ? json["instances"] : json;
  if (list.is_object()) return std::vector<std::vector<Json>>{{list}};
  if (!list.is_array()) return no_capture("the input is neither an object nor a list");
  for (const Json& row : list.as_array())
    rows.push_back(row.is_array() ? row.as_array() : std::vector<Json>{row});
  return rows;
}

Result<std::vector<std::string>> output_rows(const Json& side) {
  if (side.is_null()) return std::vector<std::string>();
  const std::string body = TRY(body_of(side, "endpointOutput"));
  if (!is_json(side)) {
    std::vector<std::string> rows = lines_of(body);
    // Built-in containers answer several rows in one line.
    if (rows.size() != 1) return rows;
    std::vector<std::string> cells;
    for (const Json& cell : cells_of(rows[0]))
      cells.push_back(cell.is_string() ? cell.as_string() : cell.dump());
    return cells;
  }
  const Json json = TRY(base::parse_json(body));
  const Json& list = json["predictions"].is_array() ? json["predictions"] : json;
  std::vector<std::string> rows;
  if (!list.is_array()) return std::vector<std::string>{list.dump()};
  for (const Json& answer : list.as_array()) rows.push_back(answer.dump());
  return rows;
}

std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

std::string csv_cell(const Json& cell) {
  if (cell.is_null()) return "";
  return csv_cell(cell.is_string() ? cell.as_string() : cell.dump());
}

// Names and cells of a row's inputs.
std::vector<std::pair<std::string, Json>> inputs_of(const CapturedRow& row) {
  std::vector<std::pair<std::string, Json>> inputs;
  if (row.values.size() == 1 && row.values[0].is_object()) {
    for (const auto& [name, value] : row.values[0].as_object()) inputs.emplace_back(name, value);
    return inputs;
  }
  for (std::size_t i = 0; i < row.values.size(); ++i)
    inputs.emplace_back("c" + std::to_string(i), row.values[i]);
  return inputs;
}

}  // namespace

Result<std::vector<CapturedRow>> read_capture_line(std::string_view line) {
  const Json json = TRY(base::parse_json(line));
  const Json& data = json["captureData"];
  const Json& event = json["eventMetadata"];
  if (!data["endpointInput"].is_object()) return no_capture("'captureData.endpointInput' is missing");
  if (event.text_or("eventId").empty()) return no_capture("'eventMetadata.eventId' is missing");
  const TimeUs time = TRY(base::parse_time(event.text_or("inferenceTime")));
  std::vector<std::vector<Json>> inputs = TRY(input_rows(data["endpointInput"]));
  const std::vector<std::string> outputs = TRY(output_rows(data["endpointOutput"]));
  if (!outputs.empty() && outputs.size() != inputs.size()) {
    return no_capture(std::to_string(inputs.size()) + " rows were asked for, and " +
                      std::to_string(outputs.size()) + " answered");
  }
  const std::string id = event.text_or("inferenceId", event.text_or("eventId"));
  std::vector<CapturedRow> rows;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    CapturedRow& row = rows.emplace_back();
    row.id = inputs.size() == 1 ? id : id + "-" + std::to_string(i);
    row.time = time;
    row.values = std::move(inputs[i]);
    if (!outputs.empty()) row.prediction = outputs[i];
  }
  return rows;
}

Result<std::string> capture_csv(const std::vector<CapturedRow>& rows) {
  std::string text;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::vector<std::pair<std::string, Json>> inputs = inputs_of(rows[i]);
    std::vector<std::string> here;
    for (const auto& [name, value] : inputs) here.push_back(name);
    if (i == 0) {
      names = here;
      text = "prediction_id,time";
      for (const std::string& name : names) text += "," + csv_cell(name);
      text += ",prediction\n";
    }
    if (here != names) {
      return fail(ErrorCode::invalid,
                  "captured row " + std::to_string(i + 1) + " ('" + rows[i].id +
                      "') has other columns than the first",
                  "a capture of one model's calls has one shape: convert the files of each apart");
    }
    text += csv_cell(rows[i].id) + "," + base::format_time(rows[i].time);
    for (const auto& [name, value] : inputs) text += "," + csv_cell(value);
    text += "," + csv_cell(rows[i].prediction) + "\n";
  }
  return text;
}

std::string capture_line(const model::Prediction& prediction) {
  const auto side = [](const char* mode, std::string data) {
    Json json = Json::object({{"observedContentType", "application/json"}, {"mode", mode}});
    return json.set("data", std::move(data)).set("encoding", "JSON");
  };
  Json data = Json::object({{"endpointInput", side("INPUT", prediction.request_json)}});
  const double score = prediction.scores.empty() ? 0 : prediction.scores.front().score;
  data.set("endpointOutput", side("OUTPUT", Json(Json::Array{score}).dump()));
  Json event = Json::object({{"eventId", prediction.id}, {"inferenceId", prediction.id}});
  event.set("inferenceTime", base::format_time(prediction.received));
  Json json = Json::object({{"captureData", std::move(data)}, {"eventMetadata", std::move(event)}});
  return json.set("eventVersion", "0").dump();
}

}  // namespace trimtab::bridges

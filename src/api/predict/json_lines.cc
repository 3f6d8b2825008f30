#include "api/predict/json_lines.h"

#include <algorithm>

#include "base/json_view.h"

namespace trimtab::api {
namespace {

Error malformed(std::size_t line, const std::string& what) {
  return {ErrorCode::malformed,
          "line " + std::to_string(line) + " of the JSON lines: " + what,
          {},
          std::nullopt,
          nullptr};
}

bool is_blank(std::string_view line) { return line.find_first_not_of(" \t\r") == std::string_view::npos; }

}  // namespace

std::string begin_unnamed_rows(const serve::RequestColumns& columns) {
  std::string out = R"({"dataframe_split":{"columns":[)";
  for (const table::Column& column : columns.required.columns()) {
    if (out.back() != '[') out += ',';
    base::append_json_string(out, column.name);
  }
  return out + R"(],"data":[)";
}

Result<std::string> json_lines_as_json(std::string_view text, const serve::RequestColumns& columns) {
  base::JsonText parser;
  std::string rows;
  bool are_lists = false;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (is_blank(line)) continue;
    const Result<JsonView> parsed = parser.parse(line);
    if (!parsed) return fail(malformed(number, parsed.error().message));
    const auto features = parsed->size() == 1 ? parsed->find("features") : std::nullopt;
    const bool wraps_list = features && features->is_array();
    const bool is_list = parsed->is_array() || wraps_list;
    if (!is_list && !parsed->is_object())
      return fail(malformed(number, "it is neither an object nor a list"));
    if (!rows.empty() && is_list != are_lists) {
      return fail(malformed(number, "objects and lists do not go together"));
    }
    are_lists = is_list;
    if (!rows.empty()) rows += ',';
    rows += wraps_list ? features->to_json().dump() : std::string(line);
  }
  if (are_lists) return begin_unnamed_rows(columns) + rows + "]}}";
  return R"({"dataframe_records":[)" + rows + "]}";
}

}  // namespace trimtab::api

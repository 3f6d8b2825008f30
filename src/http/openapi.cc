// /openapi.json from the table of routes: in the table's order, so that the same table gives the same bytes.
#include <algorithm>

#include "http/route.h"

namespace trimtab::http {
namespace {

struct PathText {
  std::string path;  // As OpenAPI writes it: it has no {name*}, so that becomes {name}.
  Json parameters = Json::array();
};

PathText read_path(std::string_view pattern) {
  PathText text;
  while (!pattern.empty()) {
    const std::size_t open = pattern.find('{');
    text.path += pattern.substr(0, open);
    if (open == std::string_view::npos) break;
    const std::size_t close = pattern.find('}', open);
    std::string_view name = pattern.substr(open + 1, close - open - 1);
    const bool is_rest = name.ends_with('*');
    if (is_rest) name.remove_suffix(1);
    text.path.append("{").append(name).append("}");
    Json parameter = Json::object({{"name", name}, {"in", "path"}, {"required", true}});
    if (is_rest) parameter.set("description", "The rest of the path; may hold slashes.");
    text.parameters.push(parameter.set("schema", Json::object({{"type", "string"}})));
    pattern.remove_prefix(close + 1);
  }
  return text;
}

std::string lower_case(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

// "get_api_v1_endpoints_name": unique, because method and path are.
std::string operation_id(const Route& route) {
  std::string id = lower_case(route.method);
  bool between = true;
  for (const char c : route.path) {
    const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (word && between) id += '_';
    if (word) id += c;
    between = !word;
  }
  return id;
}

Json content(const std::vector<std::string>& types, const Json& schema) {
  Json content = Json::object();
  for (const std::string& type : types) content.set(type, Json::object({{"schema", schema}}));
  return content;
}

Json reference(std::string_view name) {
  return Json::object({{"$ref", "#/components/schemas/" + std::string(name)}});
}

Json security(Permission permission) {
  Json list = Json::array();
  if (permission == Permission::open) return list;
  list.push(Json::object({{"token", Json::array()}}));
  // An empty requirement says that the token may be left out, as loopback callers of a manual clock may.
  if (permission == Permission::clock) list.push(Json::object());
  return list;
}

Json operation(const Route& route, Json parameters) {
  Json operation = Json::object({{"operationId", operation_id(route)}, {"summary", route.summary}});
  if (!parameters.as_array().empty()) operation.set("parameters", std::move(parameters));
  if (!route.request_schema.is_null()) {
    operation.set(
        "requestBody",
        Json::object({{"required", true}, {"content", content(route.content_types, route.request_schema)}}));
  }
  Json good = Json::object({{"description", "Done."}});
  if (!route.reply_schema.is_null()) good.set("content", content({"application/json"}, route.reply_schema));
  Json bad = Json::object({{"description", "Refused; the code says why and the hint what to do."},
                           {"content", content({"application/json"}, reference("Error"))}});
  operation.set("responses", Json::object({{"200", std::move(good)}, {"default", std::move(bad)}}));
  return operation.set("security", security(route.permission));
}

Json error_schema() {
  const Json text = Json::object({{"type", "string"}});
  const Json number = Json::object({{"type", "integer"}});
  Json codes = Json::array();
  for (const base::ErrorRow& row : base::error_table()) codes.push(row.name);
  const Json where =
      Json::object({{"type", "object"},
                    {"required", Json(Json::Array{"file"})},
                    {"properties", Json::object({{"file", text}, {"line", number}, {"column", number}})}});
  const Json error = Json::object(
      {{"type", "object"},
       {"required", Json(Json::Array{"code", "message"})},
       {"properties", Json::object({{"code", Json::object({{"type", "string"}, {"enum", std::move(codes)}})},
                                    {"message", text},
                                    {"hint", text},
                                    {"where", where}})}});
  return Json::object({{"type", "object"},
                       {"required", Json(Json::Array{"error"})},
                       {"properties", Json::object({{"error", error}})}});
}

}  // namespace

Json openapi(const std::vector<Route>& routes, std::string_view version) {
  Json paths = Json::object();
  for (const Route& route : routes) {
    PathText text = read_path(route.path);
    std::string method = lower_case(route.method);
    const Json* known = paths.find(text.path);
    Json item = known != nullptr ? *known : Json::object();
    item.set(std::move(method), operation(route, std::move(text.parameters)));
    paths.set(std::move(text.path), std::move(item));
  }
  const Json token = Json::object(
      {{"type", "http"}, {"scheme", "bearer"}, {"description", "The text of the file .trimtab/token."}});
  return Json::object(
      {{"openapi", "3.1.0"},
       {"info", Json::object({{"title", "Trimtab"}, {"version", version}})},
       {"paths", std::move(paths)},
       {"components", Json::object({{"schemas", Json::object({{"Error", error_schema()}})},
                                    {"securitySchemes", Json::object({{"token", token}})}})}});
}

}  // namespace trimtab::http

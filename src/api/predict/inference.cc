#include "api/predict/inference.h"

#include <algorithm>
#include <cctype>

#include "api/predict/csv_rows.h"
#include "api/predict/json_lines.h"
#include "api/predict/predict_schemas.h"
#include "http/percent.h"

namespace trimtab::api {
namespace {

// The tokens of the source whose rows the endpoint's model was trained on.
std::vector<std::string> nulls_of(const heal::Ward& ward) {
  const project::Project& project = ward.project();
  const project::Model* model = project.find_model(ward.declared().model);
  if (model == nullptr) return {""};
  std::string from = model->from;
  for (const project::Table* table = project.find_table(from); table != nullptr && table->from != from;
       table = project.find_table(from)) {
    from = table->from;
  }
  const project::Source* source = project.find_source(from);
  return source != nullptr ? source->nulls : std::vector<std::string>{""};
}

// "True" is what Python's clients make of a flag.
Result<bool> wants_explanations(const http::Request& request) {
  const std::optional<std::string> wish = TRY(request.query_value("explain"));
  if (!wish || http::equal_without_case(*wish, "false") || wish == "0") return false;
  if (http::equal_without_case(*wish, "true") || wish == "1") return true;
  return fail(ErrorCode::malformed, "the query parameter 'explain' is true or false, not '" + *wish + "'");
}

// The body as JSON; `made` keeps what is not the body itself.
Result<std::string_view> rows_as_json(const heal::Ward& ward, const serve::RequestColumns& columns,
                                      const http::Request& request, const std::string& type,
                                      std::string& made) {
  if (type == "text/csv") {
    made = TRY(csv_as_json(request.body, {columns, nulls_of(ward)}));
    return std::string_view(made);
  }
  // Parquet has become JSON before it comes here.
  const std::vector<std::string>& known = row_media_types();
  if (std::find(known.begin(), known.end(), type) == known.end()) {
    return fail(ErrorCode::unsupported, "a body of type '" + type + "' is not taken here",
                "send application/json, text/csv or application/jsonlines");
  }
  made = TRY(json_lines_as_json(request.body, columns));
  return std::string_view(made);
}

}  // namespace

const std::vector<std::string>& row_media_types() {
  static const std::vector<std::string> types = {"application/json",      "text/csv",
                                                 "application/jsonlines", "application/x-jsonlines",
                                                 "application/x-ndjson",  "application/vnd.apache.parquet",
                                                 "application/x-parquet"};
  return types;
}

std::string media_type_of(std::string_view header) {
  std::string type(header.substr(0, header.find(';')));
  while (type.ends_with(' ') || type.ends_with('\t')) type.pop_back();
  std::transform(type.begin(), type.end(), type.begin(), [](unsigned char c) { return std::tolower(c); });
  return type;
}

Result<heal::Ward*> only_ward(const ServerRooms& rooms) {
  if (rooms.wards.size() == 1) return rooms.wards.front().get();
  if (rooms.wards.empty()) {
    return fail(ErrorCode::invalid, "this home has no endpoint", "declare one in trimtab.yaml and apply it");
  }
  std::string names;
  for (const auto& ward : rooms.wards) names += (names.empty() ? "'" : ", '") + ward->name() + "'";
  return fail(ErrorCode::invalid, "this home has several endpoints: " + names,
              "name one of them: /endpoints/{name}/invocations");
}

http::Route quick_route(const ServerRooms& rooms, const RouteWords& words, Answerer answer) {
  return {
      .method = words.method,
      .path = words.path,
      .summary = words.summary,
      .permission = http::Permission::open,
      .placement = http::Placement::io,
      .reply_schema = any_object(),
      .handler = [&rooms, answer](const http::Request& request, const http::ReplyPromise&) -> http::Answer {
        return answer(rooms, request);
      }};
}

std::optional<std::string> served_version(const heal::Ward& ward) {
  const std::vector<serve::VersionPlan> running = ward.endpoint().running();
  return running.empty() ? std::nullopt : std::optional(std::to_string(running.front().version));
}

Result<heal::Ward*> serving_ward(const ServerRooms& rooms, const std::string& name,
                                 const std::string& version) {
  heal::Ward* ward = TRY(rooms.ward(name));
  if (version.empty()) return ward;
  const std::optional<std::string> served = served_version(*ward);
  if (served == version) return ward;
  return fail(ErrorCode::not_found, "version '" + version + "' of '" + ward->name() + "' does not serve",
              served ? "version " + *served + " does" : "run `trimtab apply`");
}

bool all_serve(const ServerRooms& rooms) {
  return !rooms.wards.empty() && std::all_of(rooms.wards.begin(), rooms.wards.end(), [](const auto& ward) {
    return !ward->endpoint().running().empty();
  });
}

Result<std::string> infer(heal::Ward& ward, const http::Request& request, InferenceOptions options,
                          const serve::WriteReply& write) {
  serve::PredictRequest predict{.body = request.body,
                                .inference_id = request.header("X-Amzn-SageMaker-Inference-Id"),
                                .ignores_unknown = options.ignores_unknown};
  if (!request.query.empty()) {
    predict.explain = TRY(wants_explanations(request));
  }
  const std::string_view declared = request.header("Content-Type");
  // Hot requests are JSON; they are read where they lie.
  if (declared.empty() || declared == "application/json") return ward.endpoint().predict(predict, write);
  const std::string type = media_type_of(declared);
  if (type == "application/json") return ward.endpoint().predict(predict, write);
  const auto columns = TRY(ward.endpoint().request_columns());
  std::string made;
  predict.body = TRY(rows_as_json(ward, *columns, request, type, made));
  return ward.endpoint().predict(predict, write);
}

}  // namespace trimtab::api

// "What if?": a row and changes of it, each answered and explained by the champion. Nothing of it is logged:
// the rows are nobody's.
#include "api/predict/predict_routes.h"
#include "api/predict/predict_schemas.h"
#include "serve/answer_text.h"

namespace trimtab::api {
namespace {

// {"instances":[the row, and the row with each change]}
Result<std::string> rows_of(const Json& body) {
  const Json& row = body["row"];
  const Json& changes = body["changes"];
  const bool is_list = changes.is_null() || changes.is_array();
  if (!row.is_object() || !is_list) {
    return fail(ErrorCode::malformed, "'row' is an object and 'changes' a list of objects",
                R"(send {"row":{"column":value,…},"changes":[{"column":other},…]})");
  }
  if (row.as_object().size() > serve::kColumnsMax)
    return fail(ErrorCode::too_large,
                "'row' has more than " + std::to_string(serve::kColumnsMax) + " columns");
  // Each change is a copy of the row, so they are counted before they are made.
  if (changes.is_array() && changes.as_array().size() >= serve::Endpoint::kExplainedMax) {
    return fail(ErrorCode::too_large, "there are " + std::to_string(changes.as_array().size()) + " changes",
                "send at most " + std::to_string(serve::Endpoint::kExplainedMax - 1) + " at once");
  }
  Json rows = Json::array();
  rows.push(row);
  for (std::size_t i = 0; changes.is_array() && i < changes.as_array().size(); ++i) {
    const Json& change = changes.as_array()[i];
    if (!change.is_object()) {
      return fail(ErrorCode::malformed,
                  "change " + std::to_string(i + 1) + " is no object: " + change.dump());
    }
    if (change.as_object().size() > serve::kColumnsMax) {
      return fail(ErrorCode::too_large, "change " + std::to_string(i + 1) + " has too many columns");
    }
    Json changed = row;
    for (const auto& [name, value] : change.as_object()) changed.set(name, value);
    rows.push(std::move(changed));
  }
  return Json::object({{"instances", std::move(rows)}}).dump();
}

std::string what_if_reply(const Json& changes, const serve::Answers& answers) {
  const auto append_answer = [&answers](std::string& reply, std::size_t row) {
    reply += R"("prediction":)";
    serve::append_number(reply, answers.scores[row]);
    reply += R"(,"explanation":)";
    serve::append_explanation(reply, answers.explanations[row]);
  };
  std::string reply = R"({"model_version":")" + std::to_string(answers.version) + R"(","base":{)";
  append_answer(reply, 0);
  reply += R"(},"changes":[)";
  for (std::size_t row = 1; row < answers.scores.size(); ++row) {
    reply += row > 1 ? "," : "";
    reply += R"({"change":)" + changes.as_array()[row - 1].dump() + R"(,"difference":)";
    serve::append_number(reply, answers.scores[row] - answers.scores[0]);
    reply += ',';
    append_answer(reply, row);
    reply += '}';
  }
  return reply + "]}";
}

Result<http::Reply> what_if(const ServerRooms& rooms, const http::Request& request) {
  heal::Ward& ward = *TRY(rooms.ward(request.path_values[0]));
  const Json body = TRY(base::parse_json(request.body));
  const std::string rows = TRY(rows_of(body));
  std::string reply = TRY(ward.endpoint().predict(
      {.body = rows, .explain = true, .is_trial = true},
      [&body](const serve::Answers& answers) { return what_if_reply(body["changes"], answers); }));
  return http::Reply{200, "application/json", std::move(reply), {}};
}

}  // namespace

std::vector<http::Route> what_if_routes(ServerRooms& rooms) {
  return {{.method = "POST",
           .path = "/api/v1/endpoints/{name}/what-if",
           .summary = "What the champion says of a row and of changes to it, and why; nothing is logged",
           .permission = http::Permission::open,
           .request_schema = any_object(),
           .reply_schema = any_object(),
           .handler = [&rooms](const http::Request& request, const http::ReplyPromise&) -> http::Answer {
             Result<http::Reply> reply = what_if(rooms, request);
             return reply ? std::move(*reply) : http::error_reply(reply.error());
           }}};
}

}  // namespace trimtab::api

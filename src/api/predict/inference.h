// The one way from a request to its predictions: which endpoint is meant, its rows in the JSON that endpoints
// read, whatever they were sent as, and the endpoint's answer. The dialects beside this file only word it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "api/server_rooms.h"
#include "http/message.h"
#include "http/route.h"
#include "serve/endpoint.h"

namespace trimtab::api {

// Media types of rows: JSON, CSV and JSON lines under its several names.
const std::vector<std::string>& row_media_types();

// The endpoint of a home that has one, for paths that name none. Errors: invalid (none, or several: says
// which path to use).
Result<heal::Ward*> only_ward(const ServerRooms& rooms);

// The champion that runs at an endpoint; nothing: none does yet.
std::optional<std::string> served_version(const heal::Ward& ward);
// The endpoint of that name. Errors: not_found; a `version` (unless empty) that is not the champion is not
// found either.
Result<heal::Ward*> serving_ward(const ServerRooms& rooms, const std::string& name,
                                 const std::string& version);

// True when some version serves at every endpoint, and there is one.
bool all_serve(const ServerRooms& rooms);

// A route that anybody may call and that is answered where its connection lives.
using Answerer = http::Reply (*)(const ServerRooms&, const http::Request&);
struct RouteWords {
  const char* method;
  const char* path;
  const char* summary;
};
http::Route quick_route(const ServerRooms& rooms, const RouteWords& words, Answerer answer);

// Answers short requests where their connection lives. Long ones, of which a single one takes milliseconds,
// wait in a bounded queue for a thread of their own, so that they do not delay the others; a request that
// waits there for longer than its X-Trimtab-Deadline-Ms, or the endpoint's `deadline`, is refused (503), and
// so is one that finds the queue full. `refuse` words these refusals; `endpoint_of` says whose deadline
// holds.
using Refuser = http::Reply (*)(const http::Request&, const Error&);
using EndpointOf = std::string (*)(const http::Request&);
std::string first_path_value(const http::Request& request);  // "": the path has none.
http::Handler predict_handler(const ServerRooms& rooms,
                              std::function<http::Reply(const http::Request&)> answer, Refuser refuse,
                              EndpointOf endpoint_of = first_path_value);

struct InferenceOptions {
  // MLflow's servers drop columns that the model's signature does not have; their clients rely on it.
  bool ignores_unknown = false;
};
// The body of the reply, as `write` puts it. Errors: unsupported (another media type than row_media_types),
// and those of serve::Endpoint::predict.
Result<std::string> infer(heal::Ward& ward, const http::Request& request, InferenceOptions options,
                          const serve::WriteReply& write = serve::native_reply);

// The media type of a header such as "text/csv; charset=utf-8", in lower case.
std::string media_type_of(std::string_view header);

}  // namespace trimtab::api

// The one way from a request to its predictions: which endpoint is meant, its rows in the JSON that endpoints
// read, whatever they were sent as, and the endpoint's answer. The dialects beside this file only word it.
#pragma once

#include <string>
#include <string_view>

#include "api/server_rooms.h"
#include "http/message.h"
#include "serve/endpoint.h"

namespace trimtab::api {

// Media types of rows: JSON, CSV and JSON lines under its several names.
const std::vector<std::string>& row_media_types();

// The endpoint of a home that has one, for paths that name none. Errors: invalid (none, or several: says
// which path to use).
Result<heal::Ward*> only_ward(const ServerRooms& rooms);

// True when some version serves at every endpoint, and there is one.
bool all_serve(const ServerRooms& rooms);

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

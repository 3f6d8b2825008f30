// Predictions as lines instead of one JSON object, for callers who ask for them by their Accept header.
#pragma once

#include <string_view>

#include "http/message.h"
#include "serve/endpoint.h"

namespace trimtab::api {

// How a dialect that follows SageMaker's container contract answers `accept`: "text/csv" with a score a line,
// JSON lines with {"prediction","prediction_id","model_version"} a line, anything else with the native reply.
struct ReplyShape {
  std::string content_type;
  serve::WriteReply write;
};
ReplyShape reply_shape(std::string_view accept);

}  // namespace trimtab::api

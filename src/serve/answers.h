// What a request is answered with, before a dialect puts it into its shape; and the shape of our own.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "serve/deployment.h"

namespace trimtab::serve {

// What the rows of one request are answered with. The views hold while the reply is being written.
struct Answers {
  std::span<const double> scores;  // A row each; one that is not finite is written as null.
  std::span<const std::string> ids;
  std::int64_t version = 0;                        // That answered; the champion, when several did.
  std::span<const std::int64_t> versions;          // That answered each row.
  std::span<const Explanation> explanations = {};  // Of each row, when they were asked for.
  std::span<const std::size_t> repaired = {};      // Rows that were not scored as they were sent.
};
// The body of a reply in some dialect's shape.
using WriteReply = std::function<std::string(const Answers&)>;

// {"predictions":[…],"prediction_ids":[…],"model_version":"3"}, and "model_versions" of each row when they
// differ, "repaired" rows when there are any, and "explanations" when they were asked for.
std::string native_reply(const Answers& answers);
// {"model_version":"3","base":-0.4,"contributions":{"hour":0.7,…}}: base and contributions add up to the raw
// score, log-odds or value, before any level moves it.
void append_explanation(std::string& reply, const Explanation& explanation);

}  // namespace trimtab::serve

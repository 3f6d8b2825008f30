#include "api/predict/reply_shapes.h"

#include <cmath>

#include "api/predict/inference.h"
#include "serve/answer_text.h"

namespace trimtab::api {
namespace {

std::string csv_reply(const serve::Answers& answers) {
  std::string out;
  for (const double score : answers.scores) {
    if (std::isfinite(score)) base::append_json_double(out, score);
    out += '\n';
  }
  return out;
}

std::string json_lines_reply(const serve::Answers& answers) {
  std::string out;
  for (std::size_t row = 0; row < answers.scores.size(); ++row) {
    out += R"({"prediction":)";
    serve::append_number(out, answers.scores[row]);
    out += R"(,"prediction_id":)";
    base::append_json_string(out, answers.ids[row]);
    out += R"(,"model_version":")" + std::to_string(answers.versions[row]) + "\"}\n";
  }
  return out;
}

}  // namespace

ReplyShape reply_shape(std::string_view accept) {
  if (accept.empty() || accept == "*/*") return {"application/json", serve::native_reply};
  const std::string type = media_type_of(accept.substr(0, accept.find(',')));
  if (type == "text/csv") return {"text/csv; charset=utf-8", csv_reply};
  if (type == "application/jsonlines" || type == "application/x-jsonlines" ||
      type == "application/x-ndjson") {
    return {type, json_lines_reply};
  }
  return {"application/json", serve::native_reply};
}

}  // namespace trimtab::api

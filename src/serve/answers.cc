#include "serve/answers.h"

#include <algorithm>

#include "base/json.h"
#include "serve/answer_text.h"

namespace trimtab::serve {

void append_explanation(std::string& reply, const Explanation& explanation) {
  reply += R"({"model_version":")" + std::to_string(explanation.version) + R"(","base":)";
  append_number(reply, explanation.parts.back());
  reply += R"(,"contributions":{)";
  for (std::size_t i = 0; i + 1 < explanation.parts.size(); ++i) {
    if (i > 0) reply += ',';
    base::append_json_string(reply, (*explanation.features)[i].name);
    reply += ':';
    append_number(reply, explanation.parts[i]);
  }
  reply += "}}";
}

std::string native_reply(const Answers& answers) {
  std::string reply;
  reply.reserve(96 + 64 * answers.scores.size());
  reply += R"({"predictions":)";
  append_scores(reply, answers.scores);
  reply += R"(,"prediction_ids":)";
  append_ids(reply, answers.ids);
  reply += R"(,"model_version":")" + std::to_string(answers.version) + '"';
  const auto is_other = [&answers](std::int64_t version) { return version != answers.version; };
  if (std::any_of(answers.versions.begin(), answers.versions.end(), is_other)) {
    reply += R"(,"model_versions":)";
    char before = '[';
    for (const std::int64_t version : answers.versions) {
      reply += before;
      reply += '"' + std::to_string(version) + '"';
      before = ',';
    }
    reply += ']';
  }
  for (std::size_t i = 0; i < answers.repaired.size(); ++i) {
    reply += i == 0 ? R"(,"repaired":[)" : ",";
    reply += std::to_string(answers.repaired[i]);
  }
  if (!answers.repaired.empty()) reply += ']';
  if (!answers.explanations.empty()) reply += R"(,"explanations":)";
  for (std::size_t row = 0; row < answers.explanations.size(); ++row) {
    reply += row == 0 ? '[' : ',';
    append_explanation(reply, answers.explanations[row]);
  }
  if (!answers.explanations.empty()) reply += ']';
  return reply += '}';
}

}  // namespace trimtab::serve

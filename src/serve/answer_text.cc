#include "serve/answer_text.h"

#include <cmath>
#include <cstddef>

#include "base/json.h"

namespace trimtab::serve {

void append_number(std::string& reply, double value) {
  if (std::isfinite(value)) return base::append_json_double(reply, value);
  reply += "null";
}

void append_scores(std::string& reply, std::span<const double> scores) {
  reply += '[';
  for (std::size_t row = 0; row < scores.size(); ++row) {
    if (row > 0) reply += ',';
    append_number(reply, scores[row]);
  }
  reply += ']';
}

void append_ids(std::string& reply, std::span<const std::string> ids) {
  reply += '[';
  for (std::size_t row = 0; row < ids.size(); ++row) {
    if (row > 0) reply += ',';
    base::append_json_string(reply, ids[row]);
  }
  reply += ']';
}

}  // namespace trimtab::serve

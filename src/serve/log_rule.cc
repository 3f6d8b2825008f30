#include "serve/log_rule.h"

#include <algorithm>
#include <cmath>

#include "base/fast_hash.h"
#include "base/json.h"

namespace trimtab::serve {

bool is_sampled(std::string_view id, double share) {
  constexpr std::uint64_t kSeed = 0x6c6f67;  // Another draw than a canary's.
  if (share >= 1) return true;
  return std::ldexp(static_cast<double>(base::fast_hash(id, kSeed) >> 11), -53) < share;
}

std::string only_columns(const std::string& request_json, const std::vector<std::string>& columns) {
  const Result<Json> request = base::parse_json(request_json);
  if (!request || !request->is_object()) return "{}";
  Json kept = Json::object();
  for (const auto& [name, value] : request->as_object()) {
    if (std::find(columns.begin(), columns.end(), name) != columns.end()) kept.set(name, value);
  }
  return kept.dump();
}

}  // namespace trimtab::serve

#include "profile/heavy_hitters.h"

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

namespace trimtab::profile {
namespace {

void subtract_from_all(std::map<std::string, std::int64_t>& heavy, std::int64_t amount) {
  for (auto& [value, count] : heavy) count -= amount;
  std::erase_if(heavy, [](const auto& entry) { return entry.second <= 0; });
}

}  // namespace

void add_heavy(std::map<std::string, std::int64_t>& heavy, std::int64_t& error, std::string value,
               std::int64_t times) {
  if (const auto known = heavy.find(value); known != heavy.end()) {
    known->second += times;
    return;
  }
  while (times > 0 && heavy.size() >= kHeavyCounters) {
    std::int64_t amount = times;
    for (const auto& [other, count] : heavy) amount = std::min(amount, count);
    subtract_from_all(heavy, amount);
    times -= amount;
    error += amount;
  }
  if (times > 0) heavy.emplace(std::move(value), times);
}

void merge_heavy(std::map<std::string, std::int64_t>& heavy, std::int64_t& error,
                 const std::map<std::string, std::int64_t>& other, std::int64_t other_error) {
  for (const auto& [value, count] : other) heavy[value] += count;
  error += other_error;
  if (heavy.size() <= kHeavyCounters) return;
  std::vector<std::int64_t> counts;
  for (const auto& [value, count] : heavy) counts.push_back(count);
  std::nth_element(counts.begin(), counts.begin() + kHeavyCounters, counts.end(), std::greater<>());
  const std::int64_t amount = counts[kHeavyCounters];
  subtract_from_all(heavy, amount);
  error += amount;
}

}  // namespace trimtab::profile

#include "base/diagnostics.h"

#include <algorithm>
#include <tuple>

namespace trimtab::base {

void Diagnostics::add(SourceRange where, std::string message, std::string hint) {
  errors_.push_back(
      Error{ErrorCode::invalid, std::move(message), std::move(hint), std::move(where), nullptr});
}

Error Diagnostics::as_error() const {
  CHECK(!errors_.empty());
  std::vector<Error> sorted = errors_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const Error& a, const Error& b) {
    const SourceRange left = a.where.value_or(SourceRange{});
    const SourceRange right = b.where.value_or(SourceRange{});
    return std::tie(left.file, left.line, left.column) < std::tie(right.file, right.line, right.column);
  });
  if (sorted.size() == 1) return sorted.front();
  std::string message = std::to_string(sorted.size()) + " errors";
  for (const Error& error : sorted) message += "\n" + render(error);
  return Error{sorted.front().code, message, {}, std::nullopt, nullptr};
}

namespace {

// Optimal string alignment distance: insert, delete, replace, and swap of two neighbours each cost 1.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) cost[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, replace});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  }
  return cost[a.size()][b.size()];
}

constexpr std::size_t kWordLengthMax = 64;  // Longer words are no slips, and the distance is quadratic.

}  // namespace

std::string_view closest(std::string_view word, const std::vector<std::string>& candidates) {
  if (word.size() > kWordLengthMax) return {};
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kWordLengthMax) continue;
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      std::tie(best_distance, best) = std::tuple(distance, std::string_view(candidate));
    }
  }
  return best;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates) {
  const std::string_view found = closest(word, candidates);
  return found.empty() ? std::string() : "did you mean '" + std::string(found) + "'?";
}

}  // namespace trimtab::base

#include "heal/push.h"

#include <cmath>
#include <string>
#include <vector>

#include "judge/metrics.h"

namespace trimtab::heal {
namespace {

constexpr double kClearly = 2;  // Standard errors.

}  // namespace

Verdict weigh_push(std::int64_t champion, std::int64_t pushed,
                   std::span<const watch::LabelledBatch> batches) {
  std::vector<double> of_champion, of_pushed;
  for (const watch::LabelledBatch& batch : batches) {
    if (!batch.scores.contains(champion) || !batch.scores.contains(pushed)) continue;
    const std::vector<double>&known = batch.scores.at(champion), &asked = batch.scores.at(pushed);
    for (std::size_t row = 0; row < batch.truth.size(); ++row) {
      if (std::isnan(known[row]) || std::isnan(asked[row])) continue;
      of_champion.push_back(std::pow(known[row] - batch.truth[row], 2));
      of_pushed.push_back(std::pow(asked[row] - batch.truth[row], 2));
    }
  }
  const judge::PairedDifference worse = judge::paired_difference(of_pushed, of_champion);
  const std::string name = "version " + std::to_string(pushed);
  Verdict verdict;
  verdict.back_to = pushed;
  verdict.evidence = Json::object({{"rows", worse.rows}, {"champion", champion}, {"pushed", pushed}});
  if (worse.rows > 1) {
    verdict.evidence.set("brier_above_champion", worse.mean).set("standard_error", worse.standard_error);
  }
  verdict.evidence.set("standard_errors_max", kClearly);
  const bool is_worse = worse.rows > 1 && worse.mean > kClearly * worse.standard_error && worse.mean > 0;
  verdict.treatment = is_worse ? Treatment::refuse_push : Treatment::serve_push;
  verdict.hypothesis = name + (is_worse ? " was pushed by hand and is worse than the champion"
                                        : " was pushed by hand and is not worse than the champion");
  verdict.expected =
      is_worse ? "it never answers; the alias returns to version " + std::to_string(champion)
               : name + " answers; the former champion stays warm and takes over again if it is better";
  return verdict;
}

}  // namespace trimtab::heal

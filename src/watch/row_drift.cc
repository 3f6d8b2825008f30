#include "watch/row_drift.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "model/booster.h"
#include "watch/two_sample.h"

namespace trimtab::watch {
namespace {

constexpr double kZ95 = 1.959963984540054;
constexpr double kZ99OneSided = 2.326347874040841;
constexpr double kAlarmShare = 0.01;
constexpr int kSplits = 199;
constexpr std::size_t kColumnsTold = 5;

std::vector<std::size_t> shuffled(std::size_t count, std::uint64_t seed) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  std::mt19937_64 random(seed);
  for (std::size_t i = count; i > 1; --i) std::swap(order[i - 1], order[random() % i]);
  return order;
}

// Every second of the shuffled rows is learnt from, the others are asked about.
struct Halves {
  model::TrainingData learnt;
  std::vector<double> asked;  // rows × width
  std::vector<bool> asked_is_current;

  void add(std::span<const double> rows, std::size_t width, bool is_current, std::uint64_t seed) {
    const std::vector<std::size_t> order = shuffled(rows.size() / width, seed);
    for (std::size_t i = 0; i < order.size(); ++i) {
      const auto row = rows.subspan(order[i] * width, width);
      if (i % 2 == 0) {
        learnt.values.insert(learnt.values.end(), row.begin(), row.end());
        learnt.targets.push_back(is_current ? 1.0F : 0.0F);
      } else {
        asked.insert(asked.end(), row.begin(), row.end());
        asked_is_current.push_back(is_current);
      }
    }
  }
};

// Hanley & McNeil (1982).
Figure auc_figure(double auc, double n, double m) {
  const double q1 = auc / (2 - auc);
  const double q2 = 2 * auc * auc / (1 + auc);
  const double variance =
      (auc * (1 - auc) + (m - 1) * (q1 - auc * auc) + (n - 1) * (q2 - auc * auc)) / (n * m);
  const double half = kZ95 * std::sqrt(std::max(0.0, variance));
  return {auc, std::max(0.0, auc - half), std::min(1.0, auc + half), {}};
}

// The mean of |part| of each feature; the last part of a row is what is predicted without any.
std::vector<double> mean_sizes(std::span<const double> parts, std::size_t width) {
  std::vector<double> means(width, 0);
  const std::size_t rows = parts.size() / (width + 1);
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t i = 0; i < width; ++i)
      means[i] += std::abs(parts[row * (width + 1) + i]) / static_cast<double>(rows);
  }
  return means;
}

std::vector<std::pair<std::string, double>> told_by(std::span<const double> parts,
                                                    const std::vector<std::string>& names) {
  const std::vector<double> means = mean_sizes(parts, names.size());
  const double all = std::accumulate(means.begin(), means.end(), 0.0);
  std::vector<std::pair<std::string, double>> shares;
  for (std::size_t i = 0; i < means.size() && all > 0; ++i) {
    if (means[i] > 0) shares.emplace_back(names[i], means[i] / all);
  }
  std::stable_sort(shares.begin(), shares.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  if (shares.size() > kColumnsTold) shares.resize(kColumnsTold);
  return shares;
}

double discounted(std::span<const double> gains, std::span<const double> by) {
  std::vector<std::size_t> order(gains.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return by[a] > by[b]; });
  double sum = 0;
  for (std::size_t i = 0; i < order.size(); ++i)
    sum += gains[order[i]] / std::log2(static_cast<double>(i) + 2);
  return sum;
}

}  // namespace

Json DomainVerdict::to_json() const {
  Json json = Json::object({{"auc", auc.to_json()}});
  if (!auc.value) return json;
  json.set("floor", floor).set("p", p).set("verdict", is_beyond_chance ? "apart" : "same");
  json.set("reference_rows", reference_rows).set("rows", current_rows);
  Json columns = Json::array();
  for (const auto& [name, share] : told_by) columns.push(Json::object({{"column", name}, {"share", share}}));
  return json.set("told_by", std::move(columns));
}

Result<DomainVerdict> tell_apart(const RowPair& rows) {
  const std::size_t width = rows.names.size();
  CHECK(width > 0);
  DomainVerdict verdict;
  const auto count = [width](std::span<const double> values) {
    return static_cast<std::int64_t>(values.size() / width);
  };
  if (std::min(count(rows.reference), count(rows.current)) < kTellRowsMin) {
    verdict.auc.reason = "fewer than " + std::to_string(kTellRowsMin) + " rows";
    return verdict;
  }
  Halves halves;
  halves.learnt.width = static_cast<int>(width);
  halves.learnt.categorical = rows.categorical;
  halves.learnt.feature_names = rows.names;
  halves.add(rows.reference, width, false, 1);
  halves.add(rows.current, width, true, 2);
  const model::BoosterOptions options{
      .rounds = 60, .leaves = 15, .learning_rate = 0.1, .min_data_in_leaf = 20, .threads = 1};
  const model::TrainedBooster trained =
      TRY(model::train_booster(halves.learnt, nullptr, options, [](std::int64_t) { return true; }));
  const std::unique_ptr<model::Booster> booster =
      TRY(model::Booster::load(trained.text, static_cast<int>(width)));
  std::vector<double> scores(halves.asked_is_current.size());
  booster->predict_raw(halves.asked, scores.data());
  std::vector<double> of_reference;
  std::vector<double> of_current;
  for (std::size_t i = 0; i < scores.size(); ++i)
    (halves.asked_is_current[i] ? of_current : of_reference).push_back(scores[i]);
  const TestResult test = mann_whitney_auc(of_reference, of_current);
  const auto n = static_cast<double>(of_reference.size());
  const auto m = static_cast<double>(of_current.size());
  verdict.auc = auc_figure(test.statistic, n, m);
  verdict.floor = 0.5 + kZ99OneSided * std::sqrt((n + m + 1) / (12 * n * m));
  verdict.p = test.statistic > 0.5 ? test.p / 2 : 1 - test.p / 2;
  verdict.is_beyond_chance = test.statistic > verdict.floor;
  verdict.reference_rows = static_cast<std::int64_t>(of_reference.size());
  verdict.current_rows = static_cast<std::int64_t>(of_current.size());
  if (!verdict.is_beyond_chance) return verdict;
  // TreeSHAP takes some hundred predictions' time: a few hundred rows say which columns told.
  constexpr std::size_t kExplained = 300;
  const std::size_t step = std::max<std::size_t>(1, scores.size() / kExplained);
  std::vector<double> some;
  for (std::size_t row = 0; row < scores.size(); row += step) {
    const auto begin = halves.asked.begin() + static_cast<std::ptrdiff_t>(row * width);
    some.insert(some.end(), begin, begin + static_cast<std::ptrdiff_t>(width));
  }
  std::vector<double> parts(some.size() / width * (width + 1));
  booster->contributions(some, parts.data());
  verdict.told_by = told_by(parts, rows.names);
  return verdict;
}

double attribution_ndcg(std::span<const double> reference, std::span<const double> current) {
  CHECK(reference.size() == current.size());
  const double ideal = discounted(reference, reference);
  return ideal > 0 ? discounted(reference, current) / ideal : 1;
}

AttributionDrift compare_attributions(std::span<const double> reference, std::span<const double> current,
                                      int width) {
  const auto features = static_cast<std::size_t>(width);
  const std::size_t line = features + 1;
  const std::size_t before = reference.size() / line;
  const std::size_t all = before + current.size() / line;
  CHECK(before > 0 && all > before);
  AttributionDrift drift;
  drift.reference = mean_sizes(reference, features);
  drift.current = mean_sizes(current, features);
  drift.ndcg = attribution_ndcg(drift.reference, drift.current);
  std::vector<double> rows(reference.begin(), reference.end());
  rows.insert(rows.end(), current.begin(), current.end());
  std::vector<double> by_chance;
  for (int split = 0; split < kSplits; ++split) {
    const std::vector<std::size_t> order = shuffled(all, static_cast<std::uint64_t>(split) + 1);
    std::vector<double> first(features, 0);
    std::vector<double> second(features, 0);
    for (std::size_t i = 0; i < all; ++i) {
      std::vector<double>& sums = i < before ? first : second;
      for (std::size_t f = 0; f < features; ++f) sums[f] += std::abs(rows[order[i] * line + f]);
    }
    by_chance.push_back(attribution_ndcg(first, second));
  }
  std::sort(by_chance.begin(), by_chance.end());
  const auto lower = std::upper_bound(by_chance.begin(), by_chance.end(), drift.ndcg) - by_chance.begin();
  drift.p = static_cast<double>(lower + 1) / (kSplits + 1);
  drift.floor = by_chance[static_cast<std::size_t>(kAlarmShare * (kSplits + 1)) - 1];
  drift.is_beyond_chance = drift.p <= kAlarmShare;
  return drift;
}

Json AttributionDrift::to_json(const std::vector<std::string>& names) const {
  Json json = Json::object({{"ndcg", ndcg}, {"floor", floor}, {"p", p}});
  json.set("verdict", is_beyond_chance ? "moved" : "same");
  Json features = Json::array();
  for (std::size_t i = 0; i < names.size(); ++i) {
    Json one = Json::object({{"name", names[i]}, {"reference", reference[i]}});
    features.push(one.set("now", current[i]));
  }
  return json.set("features", std::move(features));
}

}  // namespace trimtab::watch

#include "heal/row_view.h"

#include <algorithm>
#include <random>
#include <utility>
#include <vector>

#include "heal/ward.h"
#include "model/artifact.h"
#include "model/booster.h"
#include "watch/row_drift.h"
#include "watch/sample_drift.h"

namespace trimtab::heal {
namespace {

constexpr std::size_t kRowsMax = 2000;
constexpr std::size_t kExplainedMax = 400;
constexpr TimeUs kWeek = 7 * base::kDayUs;

// An even sample of rows that pass by (Vitter 1985, algorithm R).
class Sample {
 public:
  explicit Sample(std::uint64_t seed) : random_(seed) {}

  void add(const std::vector<double>& row) {
    ++seen_;
    if (rows_.size() < kRowsMax) {
      rows_.push_back(row);
    } else if (const std::uint64_t at = random_() % seen_; at < kRowsMax) {
      rows_[at] = row;
    }
  }
  std::vector<double> values(std::size_t rows_max = kRowsMax) const {
    std::vector<double> values;
    const std::size_t step = std::max<std::size_t>(1, (rows_.size() + rows_max - 1) / rows_max);
    for (std::size_t i = 0; i < rows_.size(); i += step)
      values.insert(values.end(), rows_[i].begin(), rows_[i].end());
    return values;
  }
  bool empty() const { return rows_.empty(); }

 private:
  std::mt19937_64 random_;
  std::uint64_t seen_ = 0;
  std::vector<std::vector<double>> rows_;
};

// When rows were received that a window is compared with.
std::vector<std::pair<TimeUs, TimeUs>> reference_times(const watch::WatchQuery& query, TimeUs from,
                                                       TimeUs to) {
  std::vector<std::pair<TimeUs, TimeUs>> times;
  if (query.against == watch::Against::previous) times.emplace_back(from - query.window, from);
  if (query.against != watch::Against::season) return times;
  for (int back = 1; query.window <= kWeek && back <= 4; ++back)
    times.emplace_back(from - back * kWeek, to - back * kWeek);
  times.emplace_back(from - 52 * kWeek, to - 52 * kWeek);
  return times;
}

struct TwoSamples {
  Sample reference{1}, current{2};
};

Result<TwoSamples> draw(const serve::PredictionLog& log, const watch::WatchQuery& query, TimeUs now,
                        std::int64_t version, std::size_t width) {
  const TimeUs from = now - query.window;
  const TimeUs to = now + 1;
  const std::vector<std::pair<TimeUs, TimeUs>> times = reference_times(query, from, to);
  TimeUs earliest = from;
  for (const auto& [begin, end] : times) earliest = std::min(earliest, begin);
  TwoSamples samples;
  TRY(log.read(earliest, [&](model::Prediction&& prediction) {
    const bool is_its = !prediction.scores.empty() && prediction.scores.front().version == version &&
                        prediction.features.size() == width;
    if (!is_its) return;
    const TimeUs at = prediction.received;
    if (at >= from && at < to) samples.current.add(prediction.features);
    const bool is_reference = std::any_of(
        times.begin(), times.end(), [at](const auto& time) { return at >= time.first && at < time.second; });
    if (is_reference) samples.reference.add(prediction.features);
  }));
  return samples;
}

Json reason(const std::string& why) { return Json::object({{"reason", why}}); }

// What is asked of the rows alone.
Result<Json> rows_json(const TwoSamples& samples, const model::Recipe& recipe) {
  watch::RowPair rows;
  const std::vector<double> reference = samples.reference.values();
  const std::vector<double> current = samples.current.values();
  rows.reference = reference;
  rows.current = current;
  for (const model::Feature& feature : recipe.features) rows.names.push_back(feature.name);
  rows.categorical = model::FeatureEncoder(recipe.features).categorical();
  return Json::object({{"classifier", TRY(watch::tell_apart(rows)).to_json()},
                       {"samples", watch::compare_samples(rows).to_json()}});
}

Result<Json> attributions_json(const TwoSamples& samples, const model::Artifact& artifact) {
  if (artifact.learner != "lightgbm") return reason("the learner '" + artifact.learner + "' has none");
  const auto width = static_cast<int>(artifact.recipe.features.size());
  const std::unique_ptr<model::Booster> booster = TRY(model::Booster::load(artifact.model_text, width));
  const auto parts_of = [&](const Sample& sample) {
    const std::vector<double> values = sample.values(kExplainedMax);
    const auto features = static_cast<std::size_t>(width);
    std::vector<double> parts(values.size() / features * (features + 1));
    booster->contributions(values, parts.data());
    return parts;
  };
  std::vector<std::string> names;
  for (const model::Feature& feature : artifact.recipe.features) names.push_back(feature.name);
  return watch::compare_attributions(parts_of(samples.reference), parts_of(samples.current), width)
      .to_json(names);
}

}  // namespace

Result<Json> row_view(store::Home& home, const registry::EndpointFacts& endpoint,
                      const serve::PredictionLog& log, const watch::WatchQuery& query, TimeUs now,
                      const KeptOut& kept_out) {
  if (!endpoint.serving_version) {
    return fail(ErrorCode::not_found, "no version of '" + endpoint.name + "' serves yet",
                "run `trimtab apply`");
  }
  const auto both = [](const std::string& why) {
    return Json::object({{"classifier", reason(why)}, {"attributions", reason(why)}});
  };
  if (query.against == watch::Against::baseline)
    return both("the rows of training are not kept one by one: ask against previous or season");
  const std::int64_t version = *endpoint.serving_version;
  const auto artifact = TRY(load_version(home, endpoint.model, version));
  const TwoSamples samples = TRY(draw(log, query, now, version, artifact->recipe.features.size()));
  if (samples.reference.empty() || samples.current.empty()) return both("no rows on one side");
  Json json = TRY(rows_json(samples, artifact->recipe));
  if (kept_out.privacy != nullptr) {
    TRY(kept_out.privacy->learn(kept_out.engine, version, artifact->recipe));
    const std::vector<bool> withheld = kept_out.privacy->withheld(version);
    if (std::find(withheld.begin(), withheld.end(), true) != withheld.end())
      return json.set("attributions",
                      reason("columns that the answers were made of are kept out of the log"));
  }
  return json.set("attributions", TRY(attributions_json(samples, *artifact)));
}

}  // namespace trimtab::heal

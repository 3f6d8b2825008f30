#include "train/older_rows.h"

#include <algorithm>
#include <array>
#include <limits>
#include <vector>

namespace trimtab::train {
namespace {

using model::TrainingData;

constexpr std::array<double, 3> kLess = {0.2, 0.05, 0};
constexpr std::size_t kStretches = 3;
constexpr std::size_t kRowsMin = 90;         // Since the change: fewer tell nothing of weights.
constexpr std::size_t kOlderAsked = 20'000;  // Rows before it that are enough to ask.

using Picked = std::vector<std::pair<std::size_t, float>>;  // Rows and their weights.

TrainingData picked_rows(const TrainingData& from, const Picked& picked) {
  TrainingData to;
  to.width = from.width;
  to.categorical = from.categorical;
  to.feature_names = from.feature_names;
  const auto width = static_cast<std::size_t>(from.width);
  to.values.reserve(picked.size() * width);
  bool all_in_full = true;
  for (const auto& [row, weight] : picked) {
    const auto first = from.values.begin() + static_cast<std::ptrdiff_t>(row * width);
    to.values.insert(to.values.end(), first, first + static_cast<std::ptrdiff_t>(width));
    to.targets.push_back(from.targets[row]);
    to.weights.push_back(weight);
    all_in_full = all_in_full && weight == 1;
  }
  if (all_in_full) to.weights.clear();
  return to;
}

void pick(std::size_t row, double weight, Picked& picked) {
  if (weight > 0) picked.emplace_back(row, static_cast<float>(weight));
}

// The question, and what is needed to ask it again and again.
struct Question {
  const TimedRows& train;
  std::vector<std::size_t> newest;  // Rows since the newest change, in order of time.
  Picked before;                    // Others, thinned, each standing for as many as its weight.

  Question(const TimedRows& rows, TimeUs newest_change) : train(rows) {
    std::vector<std::size_t> older;
    for (std::size_t row = 0; row < rows.times.size(); ++row) {
      (rows.times[row] < newest_change ? older : newest).push_back(row);
    }
    std::stable_sort(newest.begin(), newest.end(),
                     [&](std::size_t a, std::size_t b) { return rows.times[a] < rows.times[b]; });
    const std::size_t step = older.size() / kOlderAsked + 1;
    for (std::size_t i = 0; i < older.size(); i += step) pick(older[i], static_cast<double>(step), before);
  }

  // The rows of one stretch, and what is learnt from without it.
  TrainingData held_out(std::size_t stretch) const;
  TrainingData learnt_from(std::size_t stretch, const OlderRows& older) const;

 private:
  std::size_t begin_of(std::size_t stretch) const { return newest.size() * stretch / kStretches; }
};

TrainingData Question::held_out(std::size_t stretch) const {
  Picked picked;
  for (std::size_t i = begin_of(stretch); i < begin_of(stretch + 1); ++i) pick(newest[i], 1, picked);
  return picked_rows(train.rows, picked);
}

TrainingData Question::learnt_from(std::size_t stretch, const OlderRows& older) const {
  Picked picked;
  for (const auto& [row, weight] : before) {
    pick(row, train.times[row] < older.since ? weight * older.weight : weight, picked);
  }
  for (std::size_t i = 0; i < newest.size(); ++i) {
    if (i < begin_of(stretch) || i >= begin_of(stretch + 1)) pick(newest[i], 1, picked);
  }
  return picked_rows(train.rows, picked);
}

bool has_both_classes(const TrainingData& rows) {
  return std::any_of(rows.targets.begin(), rows.targets.end(),
                     [&](float target) { return target != rows.targets.front(); });
}

}  // namespace

Result<OlderRows> weigh_older_rows(const TimedRows& train, std::span<const TimeUs> changes,
                                   const model::BoosterOptions& options,
                                   const std::function<bool(std::int64_t, std::int64_t)>& on_round) {
  const Question question(train, changes.back());
  std::vector<OlderRows> ways = {{changes.back(), 1}};
  if (question.before.empty() || question.newest.size() < kRowsMin) return ways.front();
  for (const TimeUs change : changes) {
    for (const double weight : kLess) ways.push_back({change, weight});
  }
  std::vector<double> losses(ways.size());
  std::int64_t done = 0;
  const auto total = static_cast<std::int64_t>(kStretches * ways.size()) * options.rounds;
  for (std::size_t stretch = 0; stretch < kStretches; ++stretch) {
    const TrainingData judged = question.held_out(stretch);
    for (std::size_t i = 0; i < ways.size(); ++i) {
      const TrainingData learnt = question.learnt_from(stretch, ways[i]);
      if (options.binary && !has_both_classes(learnt)) {
        losses[i] = std::numeric_limits<double>::infinity();
        continue;
      }
      const auto fitted = TRY(model::train_booster(
          learnt, &judged, options, [&](std::int64_t) { return !on_round || on_round(++done, total); }));
      losses[i] += fitted.valid_loss.back() * static_cast<double>(judged.rows());
    }
  }
  return ways[static_cast<std::size_t>(std::min_element(losses.begin(), losses.end()) - losses.begin())];
}

TrainingData with_older_rows(const OlderRows& older, const TimedRows& train) {
  Picked picked;
  for (std::size_t row = 0; row < train.times.size(); ++row) {
    pick(row, train.times[row] < older.since ? older.weight : 1, picked);
  }
  return picked_rows(train.rows, picked);
}

}  // namespace trimtab::train

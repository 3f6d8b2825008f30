// The level of a stream: by how much, in log odds, a version's scores lay too low or too high over a whole
// batch, and what is to be expected of the next one. A storm or a holiday week lifts all rows of a day and
// lasts for days; a version that is right on average is then wrong on each of them, and no training on older
// rows can know it. Serving the forecast costs nothing and is undone by serving none.
#pragma once

#include <cstdint>
#include <deque>
#include <span>

#include "base/json.h"
#include "heal/evidence.h"
#include "watch/batches.h"

namespace trimtab::heal {

// The intercept that makes a batch's scores right: argmin over a of Σ -ln p(truth | logit(score) + a), with a
// ridge of `kLevelRidge` rows towards 0. Rows whose score is NaN are left out. 0 when no row is left.
double fit_level(std::span<const double> score, std::span<const double> truth);

// Levels of successive batches as an autoregression of first order around a mean, both shrunk towards "no
// level" by a few pseudo-batches, so that independent levels give a forecast of almost 0.
// (Box & Jenkins, Time Series Analysis, ch. 3: AR(1); fitted by least squares on the levels remembered.)
class LevelForecast {
 public:
  static constexpr double kForecastMax = 2;       // In log odds: one wild batch must not carry the answers.
  static constexpr std::size_t kLevelsMax = 120;  // Of batches remembered.

  // The level of one batch, in order of time.
  void push(double level);
  // What is expected of the batch that comes `ahead` after the newest; 0 when nothing is known. Labels that
  // are late make it more than one.
  double next(int ahead = 1) const;
  // The share of a level's distance from the mean that is left so many batches later; in [0, 0.95].
  double persistence(int ahead = 1) const;
  double mean() const;
  std::int64_t batches() const { return std::ssize(levels_); }
  // Another version answers from now on: what it is off by is not known, how levels behave still is.
  void forget_newest();

  Json to_json() const;  // Exact.
  static LevelForecast from_json(const Json& json);

 private:
  std::deque<double> levels_;
  bool newest_known_ = false;  // Of the version that answers now.
};

// What the policy knows of an endpoint's levels, and whether they are served.
struct LevelState {
  LevelForecast forecast;
  EvidenceCusum better;  // Scores moved to the forecast against the version's own, before it is followed.
  bool followed = false;
  static constexpr int kAheadMax = 32;
  int ahead = 1;  // How far the forecast reaches: so many batches after the newest that has labels.
  std::deque<double> expected;  // Of the next batches to learn from, as it was when they were answered.
  // While it is followed: what that has earned so far, as a logarithm of evidence. Held up to kCreditMax, so
  // that some wild days do not end what has helped for weeks, and no past outweighs the present for ever.
  double credit = 0;
  static constexpr double kCreditMax = 3 * kAlarmLog;

  // By how much answers are moved now.
  double served() const { return followed ? forecast.next(ahead) : 0; }
  // Takes note of a batch of the champion: how the forecast did on it, and its level. Adds its numbers.
  // `ahead`: so many batches later is the one that is answered next.
  void learn(const watch::LabelledBatch& batch, int poison_budget, int ahead, Json& evidence);
  // Enough batches say so, without the `poison_budget` ones that say most: one wild day decides nothing.
  bool should_follow(int poison_budget) const;
  bool should_leave() const { return followed && credit < -kAlarmLog; }
  // There is evidence that something should be done.
  bool alarms() const { return followed ? should_leave() : better.alarms(); }
  void follow(bool follows);

  Json to_json() const;
  static LevelState from_json(const Json& json);
};

}  // namespace trimtab::heal

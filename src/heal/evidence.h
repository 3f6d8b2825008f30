// Evidence that something better than the champion could be learnt, gathered so that it may be looked at
// after every batch: a CUSUM of betting e-values on paired loss differences. Seasons cancel in the pair, no
// baseline is needed, and the chance of a false alarm is bounded however often one looks (Ville's inequality;
// e-detectors: Shin, Ramdas, Rinaldo 2022).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/json.h"

namespace trimtab::heal {

inline constexpr double kAlarmLog = 6.907755278982137;  // ln 1000

// S ← max(0, S) + ln e, where e is the mean over the alternatives and over λ ∈ {0.3, 0.9} of Π(1 + λ d) over
// the rows' differences d ∈ [-1, 1]. An alarm at S > ln 1000 stands until S falls to 0.
class EvidenceCusum {
 public:
  // One batch of paired differences (positive: the alternative was better), a vector for each alternative
  // over the same rows. `batch` numbers it.
  void push(std::span<const std::vector<double>> alternatives, std::int64_t batch);
  void push(std::span<const double> differences, std::int64_t batch);
  // One batch whose ln e is known.
  void add(double log_e, std::int64_t batch);

  double value() const { return value_; }
  double newest() const { return increments_.empty() ? 0 : increments_.back(); }  // ln e of the last batch.
  bool alarms() const { return alarms_; }
  // The batch before the evidence last rose from 0: the change is no older than that.
  std::int64_t since() const { return since_; }
  // Batches since then.
  int length() const { return static_cast<int>(increments_.size()); }
  // What is left of S without the `count` batches that say most. Wrong labels in so many batches cannot make
  // it.
  double without_strongest(int count) const;
  // How many of the newest batches make its steepest part: from where on S has risen faster than over its
  // whole length. Slight evidence may have gone before that of a great change. All, when it rises evenly.
  int steepest() const;
  // What the newest `count` batches say together.
  double sum_of_newest(int count) const;
  void reset();

  Json to_json() const;  // Exact: from_json(to_json()) goes on with the same numbers.
  static EvidenceCusum from_json(const Json& json);

 private:
  double value_ = 0;
  std::vector<double>
      increments_;  // ln e of each batch since S last rose from 0, or the last one that let it fall.
  std::int64_t since_ = 0;
  std::int64_t last_ = 0;
  bool alarms_ = false;
};

}  // namespace trimtab::heal

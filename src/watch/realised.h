// How answers did whose truth has become known: by hour, overall and for each slice, in sums that merge.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "watch/baseline.h"
#include "watch/many_tests.h"

namespace trimtab::watch {

// Sums over labelled rows.
struct SliceSums {
  double labels = 0, truth = 0, score = 0;
  double error = 0, square = 0, fourth = 0;  // Σ|truth - score|, its square, and the square's square.
  double log_loss = 0;                       // Binary.
  Wealth wealth;                             // Binary.

  void add(bool binary, double score_said, double truth_known, double sign);
  void merge(const SliceSums& other);
};

struct LabelledCounts {
  std::vector<double> labels, truth;  // Of each bin of the prediction.
  std::vector<SliceSums> slices;      // All rows, then those of Realised::slices().

  void merge(const LabelledCounts& other);
};

// A value of a text feature whose rows are looked at on their own.
struct Slice {
  int feature = 0;
  int level = 0;
  std::string name;  // "origin=JFK"
};

// A prediction and its truth, as they are joined.
struct JoinedTruth {
  TimeUs received = 0;  // When the prediction was asked for.
  std::int64_t version = 0;
  double score = 0;  // As answered.
  std::span<const double> features;
  double truth = 0;
  double former = 0;  // The truth that this one revises; NaN: it is the first.
};

// Belongs to one thread at a time.
class Realised {
 public:
  static constexpr TimeUs kKept = 100 * base::kDayUs;
  static constexpr int kLevelsMax = 8;  // Slices of a feature: its most frequent values.
  static constexpr int kSlicesMax = 64;
  static constexpr std::int64_t kRowsMin = 30;  // Of training, for a slice.

  explicit Realised(std::shared_ptr<const Baseline> baseline);

  void add(const JoinedTruth& joined);
  LabelledCounts between(TimeUs from, TimeUs to) const;  // By the hour.
  const std::vector<Slice>& slices() const { return slices_; }
  const std::map<TimeUs, LabelledCounts>& hours() const { return hours_; }

 private:
  void add(LabelledCounts& counts, const JoinedTruth& joined, double truth, double sign) const;

  std::shared_ptr<const Baseline> baseline_;
  std::vector<Slice> slices_;
  std::map<TimeUs, LabelledCounts> hours_;
};

}  // namespace trimtab::watch

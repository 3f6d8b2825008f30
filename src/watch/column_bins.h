// The bins in which one column's values are counted while a version serves. They are fixed when the version
// is trained: quantiles of its training rows, or its known texts. Beside the ordinary bins there is one for
// NULL and one for UNSEEN, a text that training did not know.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace trimtab::watch {

// Of numbers: ordinary bin 0 is what lies below the least value of training, the last one what lies above
// the greatest; between them lie about kQuantileBins bins that hold as many training rows each. Of texts: a
// bin each for the most frequent kLevelsMax - 1 of them, and one for the other known ones.
// A regular value; reading is thread-safe.
class ColumnBins {
 public:
  static constexpr int kQuantileBins = 20;
  static constexpr int kLevelsMax = 64;

  // NaN is passed over. No values: everything that comes is above.
  static ColumnBins of_numbers(std::vector<double> values, int quantiles = kQuantileBins);
  static ColumnBins of_levels(int levels);

  bool is_ordered() const { return !is_levels_; }
  int size() const { return ordinary_ + 2; }
  int ordinary() const { return ordinary_; }
  int null_bin() const { return ordinary_; }
  int unseen_bin() const { return ordinary_ + 1; }
  // Of a value as model::FeatureEncoder makes it.
  int find(double encoded) const;
  // Where bins meet: bin i holds edges()[i-1] <= x < edges()[i]. The first is the least value of training,
  // the last one the next number after its greatest.
  std::span<const double> edges() const { return edges_; }

  Json to_json() const;
  static Result<ColumnBins> from_json(const Json& json);
  bool operator==(const ColumnBins&) const = default;

 private:
  bool is_levels_ = false;
  int ordinary_ = 1;
  std::vector<double> edges_;
};

}  // namespace trimtab::watch

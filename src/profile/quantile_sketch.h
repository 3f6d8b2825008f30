// DDSketch (Masson, Rim, Lee: DDSketch, VLDB 2019): quantiles of numbers from counts in bins whose width
// grows with the number, so that every answer lies within 1 % of a true one. Merging adds counts: what comes
// of it does not depend on how the rows were cut or in which order the parts came.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace trimtab::profile {

class QuantileSketch {
 public:
  static constexpr double kRelativeError = 0.01;
  // For each sign. Beyond it the bins nearest to zero become one: numbers 10^8 times smaller than the
  // greatest may then be answered too great.
  static constexpr std::size_t kBinsMax = 1'024;

  // `value` is finite.
  void add(double value, std::int64_t times = 1);
  void merge(const QuantileSketch& other);
  std::int64_t count() const;
  // The number below which the share `p` (0 to 1) of all lies; nothing when there are none.
  std::optional<double> quantile(double p) const;

  // "zeros;bin:count,bin:count;bin:count": zero, the positive and the negative numbers.
  std::string to_text() const;
  // Errors: invalid.
  static Result<QuantileSketch> from_text(std::string_view text);
  bool operator==(const QuantileSketch&) const = default;

 private:
  using Bins = std::map<int, std::int64_t>;
  std::int64_t zeros_ = 0;
  Bins positive_, negative_;
};

}  // namespace trimtab::profile

// Numbers for cells that are not believed: what the other columns of the row make likely. A tree that never
// met a missing value reads one as zero, which may be anything but likely.
#pragma once

#include <cstddef>
#include <map>
#include <vector>

#include "serve/number_window.h"
#include "serve/request_reference.h"

namespace trimtab::serve {

// Belongs to one thread. The reference is ready and outlives it.
class NumberFiller {
 public:
  explicit NumberFiller(const Reference& reference) : reference_(reference) {}
  // The mean of a column where the finite numbers of its row are known, by the usual correlations; never
  // beyond what is usual for the column.
  double fill(const NumberTable& table, std::size_t row, std::size_t column);

 private:
  struct Weights {
    std::vector<std::size_t> of;  // Columns.
    std::vector<double> weights;
  };
  const Weights& weights_for(const std::vector<bool>& known, std::size_t column);

  const Reference& reference_;
  std::map<std::pair<std::vector<bool>, std::size_t>, Weights> weights_;
};

}  // namespace trimtab::serve

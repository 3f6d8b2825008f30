// Rows that are unusual as a whole although each of their values is usual: what is left of a row when the
// main directions of the training rows are taken out of it (PCA reconstruction error; NannyML's multivariate
// drift). Kept small: the directions that carry kVarianceKept of the variance, by Jacobi rotations.
#pragma once

#include <span>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace trimtab::watch {

class Reconstruction {
 public:
  static constexpr double kVarianceKept = 0.65;

  // From rows × width encoded values; NaN counts as the column's mean. Columns that do not vary are left out.
  static Reconstruction fit(std::span<const double> rows, int width);
  // Length of what the kept directions miss of a row, in standard deviations. Thread-safe.
  double error(std::span<const double> row) const;
  int width() const { return static_cast<int>(mean_.size()); }

  Json to_json() const;
  static Result<Reconstruction> from_json(const Json& json);

 private:
  std::vector<double> mean_, scale_;  // 0: left out.
  std::vector<double> directions_;    // kept × width
};

// Eigenvalues, falling, and eigenvectors (rows of `vectors`, size × size) of a symmetric matrix.
void eigen(std::vector<double> matrix, std::size_t size, std::vector<double>& values,
           std::vector<double>& vectors);

}  // namespace trimtab::watch

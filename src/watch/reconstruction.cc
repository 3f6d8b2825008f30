#include "watch/reconstruction.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace trimtab::watch {
namespace {

constexpr int kSweepsMax = 50;

// One Jacobi rotation that makes matrix[p][q] zero (Golub & Van Loan, 8.5).
void rotate(std::vector<double>& matrix, std::vector<double>& vectors, std::size_t size, std::size_t p,
            std::size_t q) {
  const double off = matrix[p * size + q];
  if (off == 0) return;
  const double theta = (matrix[q * size + q] - matrix[p * size + p]) / (2 * off);
  const double t = (theta >= 0 ? 1 : -1) / (std::abs(theta) + std::sqrt(theta * theta + 1));
  const double c = 1 / std::sqrt(t * t + 1);
  const double s = t * c;
  for (std::size_t k = 0; k < size; ++k) {
    const double kp = matrix[k * size + p];
    const double kq = matrix[k * size + q];
    matrix[k * size + p] = c * kp - s * kq;
    matrix[k * size + q] = s * kp + c * kq;
  }
  for (std::size_t k = 0; k < size; ++k) {
    const double pk = matrix[p * size + k];
    const double qk = matrix[q * size + k];
    matrix[p * size + k] = c * pk - s * qk;
    matrix[q * size + k] = s * pk + c * qk;
    const double vp = vectors[p * size + k];
    const double vq = vectors[q * size + k];
    vectors[p * size + k] = c * vp - s * vq;
    vectors[q * size + k] = s * vp + c * vq;
  }
}

double off_diagonal(const std::vector<double>& matrix, std::size_t size) {
  double sum = 0;
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t j = 0; j < i; ++j) sum += matrix[i * size + j] * matrix[i * size + j];
  }
  return sum;
}

// Means and standard deviations of the columns, without NaN.
void measure_columns(std::span<const double> rows, std::size_t width, std::vector<double>& mean,
                     std::vector<double>& scale) {
  mean.assign(width, 0);
  scale.assign(width, 0);
  std::vector<double> count(width, 0);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double value = rows[i];
    if (!std::isfinite(value)) continue;
    const std::size_t column = i % width;
    ++count[column];
    const double delta = value - mean[column];
    mean[column] += delta / count[column];
    scale[column] += delta * (value - mean[column]);
  }
  for (std::size_t column = 0; column < width; ++column) {
    scale[column] = count[column] < 2 ? 0 : std::sqrt(scale[column] / (count[column] - 1));
    if (!std::isfinite(scale[column])) scale[column] = 0;
  }
}

double standardised(double value, double mean, double scale) {
  return scale > 0 && std::isfinite(value) ? (value - mean) / scale : 0;
}

Json list_json(const std::vector<double>& values) {
  Json list = Json::array();
  for (const double value : values) list.push(value);
  return list;
}

Result<std::vector<double>> read_list(const Json& json, const char* what) {
  std::vector<double> values;
  if (!json.is_array()) return fail(ErrorCode::invalid, std::string("a reconstruction is broken: ") + what);
  for (const Json& value : json.as_array()) {
    if (!value.is_number())
      return fail(ErrorCode::invalid, std::string("a reconstruction is broken: ") + what);
    values.push_back(value.as_double());
  }
  return values;
}

}  // namespace

void eigen(std::vector<double> matrix, std::size_t size, std::vector<double>& values,
           std::vector<double>& vectors) {
  vectors.assign(size * size, 0);
  for (std::size_t i = 0; i < size; ++i) vectors[i * size + i] = 1;
  for (int sweep = 0; sweep < kSweepsMax && off_diagonal(matrix, size) > 1e-22; ++sweep) {
    for (std::size_t p = 0; p + 1 < size; ++p) {
      for (std::size_t q = p + 1; q < size; ++q) rotate(matrix, vectors, size, p, q);
    }
  }
  std::vector<std::size_t> order(size);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return matrix[a * size + a] > matrix[b * size + b]; });
  std::vector<double> sorted(size * size);
  values.resize(size);
  for (std::size_t i = 0; i < size; ++i) {
    values[i] = matrix[order[i] * size + order[i]];
    for (std::size_t k = 0; k < size; ++k) sorted[i * size + k] = vectors[order[i] * size + k];
  }
  vectors = std::move(sorted);
}

Reconstruction Reconstruction::fit(std::span<const double> rows, int width) {
  const auto columns = static_cast<std::size_t>(width);
  Reconstruction fitted;
  measure_columns(rows, columns, fitted.mean_, fitted.scale_);
  std::vector<double> covariance(columns * columns, 0);
  std::vector<double> row(columns);
  for (std::size_t at = 0; at + columns <= rows.size(); at += columns) {
    for (std::size_t i = 0; i < columns; ++i)
      row[i] = standardised(rows[at + i], fitted.mean_[i], fitted.scale_[i]);
    for (std::size_t i = 0; i < columns; ++i) {
      for (std::size_t j = 0; j < columns; ++j) covariance[i * columns + j] += row[i] * row[j];
    }
  }
  const double count = std::max(1.0, static_cast<double>(rows.size() / std::max<std::size_t>(1, columns)));
  for (double& value : covariance) value /= count;
  std::vector<double> values;
  std::vector<double> vectors;
  eigen(std::move(covariance), columns, values, vectors);
  const double all = std::accumulate(values.begin(), values.end(), 0.0);
  double kept = 0;
  for (std::size_t i = 0; i < columns && kept < kVarianceKept * all; ++i) {
    kept += values[i];
    const auto first = vectors.begin() + static_cast<std::ptrdiff_t>(i * columns);
    fitted.directions_.insert(fitted.directions_.end(), first, first + width);
  }
  return fitted;
}

double Reconstruction::error(std::span<const double> row) const {
  const std::size_t columns = mean_.size();
  CHECK(row.size() == columns);
  thread_local std::vector<double> z;
  z.resize(columns);
  double length = 0;
  for (std::size_t i = 0; i < columns; ++i) {
    z[i] = standardised(row[i], mean_[i], scale_[i]);
    length += z[i] * z[i];
  }
  for (std::size_t first = 0; first < directions_.size(); first += columns) {
    double along = 0;
    for (std::size_t i = 0; i < columns; ++i) along += directions_[first + i] * z[i];
    length -= along * along;
  }
  return std::sqrt(std::max(0.0, length));
}

Json Reconstruction::to_json() const {
  Json json = Json::object({{"mean", list_json(mean_)}, {"scale", list_json(scale_)}});
  return json.set("directions", list_json(directions_));
}

Result<Reconstruction> Reconstruction::from_json(const Json& json) {
  Reconstruction read;
  read.mean_ = TRY(read_list(json["mean"], "mean"));
  read.scale_ = TRY(read_list(json["scale"], "scale"));
  read.directions_ = TRY(read_list(json["directions"], "directions"));
  const std::size_t width = read.mean_.size();
  if (read.scale_.size() != width || (width > 0 && read.directions_.size() % width != 0))
    return fail(ErrorCode::invalid, "a reconstruction is broken: its lists have different lengths");
  return read;
}

}  // namespace trimtab::watch

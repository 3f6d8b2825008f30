#include "watch/correction.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "model/level.h"

namespace trimtab::watch {
namespace {

constexpr int kCorrectionSteps = 6;
constexpr double kSmallCorrection = 1e-4;  // Far below what a difference of losses can show.

// -ln of the likelihood of one row with log odds x.
double row_loss(double x, double truth) {
  return std::log1p(std::exp(-std::abs(x))) + std::max(x, 0.0) - truth * x;
}

// The penalised fit of one Correction: rows × size designs, kept as one block.
struct Fit {
  std::size_t size = 0;
  std::vector<double> designs;
  std::span<const double> truth;
  double ridge = 0;

  std::span<const double> design(std::size_t row) const {
    return std::span(designs).subspan(row * size, size);
  }
  // The centre of the penalty: the slope is 1, all else 0.
  static double centre(std::size_t i) { return i == 1 ? 1 : 0; }

  double log_odds(std::size_t row, std::span<const double> beta) const {
    const std::span<const double> x = design(row);
    return std::inner_product(x.begin(), x.end(), beta.begin(), 0.0);
  }
  double loss(std::span<const double> beta) const;
  // gradient, and the lower triangle of the Hessian.
  void differentiate(std::span<const double> beta, std::vector<double>& gradient,
                     std::vector<double>& hessian) const;
};

double Fit::loss(std::span<const double> beta) const {
  double sum = 0;
  for (std::size_t row = 0; row < truth.size(); ++row) sum += row_loss(log_odds(row, beta), truth[row]);
  for (std::size_t i = 0; i < size; ++i) sum += ridge / 2 * (beta[i] - centre(i)) * (beta[i] - centre(i));
  return sum;
}

void Fit::differentiate(std::span<const double> beta, std::vector<double>& gradient,
                        std::vector<double>& hessian) const {
  gradient.assign(size, 0);
  hessian.assign(size * size, 0);
  for (std::size_t row = 0; row < truth.size(); ++row) {
    const std::span<const double> x = design(row);
    const double p = model::sigmoid(log_odds(row, beta));
    const double weight = std::max(p * (1 - p), 1e-9);
    for (std::size_t i = 0; i < size; ++i) {
      gradient[i] += (p - truth[row]) * x[i];
      const double weighted = weight * x[i];
      for (std::size_t j = 0; j <= i; ++j) hessian[i * size + j] += weighted * x[j];
    }
  }
  for (std::size_t i = 0; i < size; ++i) {
    gradient[i] += ridge * (beta[i] - centre(i));
    hessian[i * size + i] += ridge;
  }
}

// Solves H·step = gradient by Cholesky; H is given by its lower triangle and overwritten. The ridge makes it
// positive.
void solve(std::size_t size, std::vector<double>& h, std::vector<double>& step) {
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      double sum = h[i * size + j];
      for (std::size_t k = 0; k < j; ++k) sum -= h[i * size + k] * h[j * size + k];
      h[i * size + j] = i == j ? std::sqrt(std::max(sum, 1e-12)) : sum / h[j * size + j];
    }
  }
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t k = 0; k < i; ++k) step[i] -= h[i * size + k] * step[k];
    step[i] /= h[i * size + i];
  }
  for (std::size_t i = size; i-- > 0;) {
    for (std::size_t k = i + 1; k < size; ++k) step[i] -= h[k * size + i] * step[k];
    step[i] /= h[i * size + i];
  }
}

// Newton's method from "no correction"; a step that makes the loss worse is halved.
std::vector<double> minimise(const Fit& fit) {
  std::vector<double> beta(fit.size, 0), gradient, hessian, next;
  beta[1] = 1;
  double loss = fit.loss(beta);
  for (int iteration = 0; iteration < kCorrectionSteps; ++iteration) {
    fit.differentiate(beta, gradient, hessian);
    solve(fit.size, hessian, gradient);
    double factor = 1;
    for (int halvings = 0; halvings < 8; ++halvings, factor /= 2) {
      next = beta;
      for (std::size_t i = 0; i < fit.size; ++i) next[i] -= factor * gradient[i];
      const double next_loss = fit.loss(next);
      if (next_loss > loss) continue;
      loss = next_loss;
      beta = next;
      break;
    }
    const bool is_small = std::all_of(gradient.begin(), gradient.end(), [&](double step) {
      return std::abs(step) * factor < kSmallCorrection;
    });
    if (is_small) break;
  }
  return beta;
}

}  // namespace

void Correction::standardise(const CorrectionRows& rows) {
  const auto width = static_cast<std::size_t>(rows.width);
  mean_.assign(width, 0);
  scale_.assign(width, 1);
  weights_.assign(width, 0);
  for (std::size_t column = 0; column < width; ++column) {
    double count = 0, sum = 0, squares = 0;
    for (std::size_t row = 0; row < rows.score.size(); ++row) {
      const double value = rows.features[row * width + column];
      if (!std::isfinite(value)) continue;
      count += 1;
      // Welford's way: no cancellation for columns far from 0, such as years.
      const double from_mean = value - sum;
      sum += from_mean / count;
      squares += from_mean * (value - sum);
    }
    if (count == 0) continue;
    mean_[column] = sum;
    const double deviation = std::sqrt(squares / count);
    // A constant column says nothing now; should it move later, that is not ours to judge.
    scale_[column] = deviation > 1e-12 * (1 + std::abs(sum)) ? deviation : 0;
  }
}

void Correction::design(const CorrectionRows& rows, std::size_t row, std::span<double> out) const {
  out[0] = 1;
  out[1] = model::log_odds(rows.score[row]);
  for (std::size_t column = 0; column < mean_.size(); ++column) {
    const double value = rows.features[row * mean_.size() + column];
    const bool is_there = std::isfinite(value) && scale_[column] > 0;
    out[2 + column] =
        is_there ? std::clamp((value - mean_[column]) / scale_[column], -kFeatureMax, kFeatureMax) : 0;
  }
}

Result<Correction> Correction::fit(const CorrectionRows& rows, double ridge) {
  CHECK(ridge > 0);
  CHECK(rows.score.size() == rows.truth.size());
  CHECK(rows.features.size() >= rows.score.size() * static_cast<std::size_t>(rows.width));
  if (rows.score.size() < kRowsMin) {
    return fail(ErrorCode::invalid, "a correction needs " + std::to_string(kRowsMin) +
                                        " labelled rows, there are " + std::to_string(rows.score.size()));
  }
  const double positives = std::accumulate(rows.truth.begin(), rows.truth.end(), 0.0);
  if (positives <= 0 || positives >= static_cast<double>(rows.truth.size())) {
    return fail(ErrorCode::invalid, "a correction needs labels of both classes, there is only one");
  }
  Correction made;
  made.standardise(rows);
  Fit fit{
      .size = static_cast<std::size_t>(rows.width) + 2, .designs = {}, .truth = rows.truth, .ridge = ridge};
  fit.designs.resize(fit.size * rows.score.size());
  for (std::size_t row = 0; row < rows.score.size(); ++row) {
    made.design(rows, row, std::span(fit.designs).subspan(row * fit.size, fit.size));
  }
  const std::vector<double> beta = minimise(fit);
  made.intercept_ = beta[0];
  made.slope_ = beta[1];
  made.weights_.assign(beta.begin() + 2, beta.end());
  return made;
}

void Correction::apply(const CorrectionRows& rows, std::vector<double>& out) const {
  CHECK(static_cast<std::size_t>(rows.width) == weights_.size());
  CHECK(rows.features.size() >= rows.score.size() * weights_.size());
  out.resize(rows.score.size());
  std::vector<double> x(weights_.size() + 2);
  for (std::size_t row = 0; row < rows.score.size(); ++row) {
    design(rows, row, x);
    double log_odds = intercept_ * x[0] + slope_ * x[1];
    for (std::size_t column = 0; column < weights_.size(); ++column)
      log_odds += weights_[column] * x[2 + column];
    out[row] = model::sigmoid(log_odds);
  }
}

Json Correction::to_json() const {
  Json columns = Json::array();
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    columns.push(Json::object({{"mean", mean_[i]}, {"scale", scale_[i]}, {"weight", weights_[i]}}));
  }
  return Json::object({{"intercept", intercept_}, {"slope", slope_}, {"columns", std::move(columns)}});
}

Result<Correction> Correction::from_json(const Json& json) {
  Correction read;
  const bool is_whole =
      json["intercept"].is_number() && json["slope"].is_number() && json["columns"].is_array();
  if (!is_whole) return fail(ErrorCode::invalid, "a version's correction is broken");
  read.intercept_ = json["intercept"].as_double();
  read.slope_ = json["slope"].as_double();
  for (const Json& column : json["columns"].as_array()) {
    read.mean_.push_back(column.double_or("mean"));
    read.scale_.push_back(column.double_or("scale"));
    read.weights_.push_back(column.double_or("weight"));
  }
  return read;
}

}  // namespace trimtab::watch

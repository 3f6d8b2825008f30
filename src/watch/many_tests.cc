#include "watch/many_tests.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace trimtab::watch {
namespace {

// ln(exp(a) + exp(b)).
double log_add(double a, double b) {
  const double most = std::max(a, b);
  return most + std::log1p(std::exp(std::min(a, b) - most));
}

// ln of the mean of what the bets made.
double log_mean(const std::array<double, Wealth::kBets.size()>& logs) {
  double together = logs[0];
  for (std::size_t i = 1; i < logs.size(); ++i) together = log_add(together, logs[i]);
  return together - std::log(static_cast<double>(logs.size()));
}

}  // namespace

double log_e_of(double log_p) {
  // Near 1 the formula is 0/0, and its limit 1/2.
  if (log_p > -1e-4) return std::log(0.5);
  const double p = std::exp(log_p);
  return std::log1p(-p + p * log_p) - log_p - 2 * std::log(-log_p);
}

std::vector<bool> e_bh(std::span<const double> log_e, double share) {
  std::vector<std::size_t> order(log_e.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&log_e](std::size_t a, std::size_t b) { return log_e[a] > log_e[b]; });
  const auto all = static_cast<double>(log_e.size());
  std::size_t rejected = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (log_e[order[i]] >= std::log(all / (share * static_cast<double>(i + 1)))) rejected = i + 1;
  }
  std::vector<bool> out(log_e.size());
  for (std::size_t i = 0; i < rejected; ++i) out[order[i]] = true;
  return out;
}

void Wealth::add(double outcome, double score, double sign) {
  for (std::size_t i = 0; i < kBets.size(); ++i) {
    const double above = std::clamp((outcome - score - kTolerance) / (1 + kTolerance), -1.0, 1.0);
    const double below = std::clamp((score - outcome - kTolerance) / (1 + kTolerance), -1.0, 1.0);
    higher[i] += sign * std::log1p(kBets[i] * above);
    lower[i] += sign * std::log1p(kBets[i] * below);
  }
}

void Wealth::merge(const Wealth& other) {
  for (std::size_t i = 0; i < kBets.size(); ++i) {
    higher[i] += other.higher[i];
    lower[i] += other.lower[i];
  }
}

void OutcomeDetector::push(const Wealth& batch) {
  log_higher_ = log_add(log_higher_, 0) + log_mean(batch.higher);
  log_lower_ = log_add(log_lower_, 0) + log_mean(batch.lower);
  is_higher_ = log_higher_ > log_lower_;
  // Half of the purse on either side.
  log_value_ = std::max(log_higher_, log_lower_) - std::log(2.0);
  ++batches_;
}

bool OutcomeDetector::alarms() const { return log_value_ >= -std::log(kAlarm); }

}  // namespace trimtab::watch

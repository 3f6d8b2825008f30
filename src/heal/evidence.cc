#include "heal/evidence.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <numeric>

namespace trimtab::heal {
namespace {

constexpr std::array<double, 2> kBets = {0.3, 0.9};
constexpr std::size_t kIncrementsMax = 4096;  // Of a change that is seen and never healed; the oldest go.

double log_mean_exp(std::span<const double> logs) {
  const double largest = *std::max_element(logs.begin(), logs.end());
  double sum = 0;
  for (const double value : logs) sum += std::exp(value - largest);
  return largest + std::log(sum / static_cast<double>(logs.size()));
}

double log_wealth(std::span<const double> differences, double bet) {
  double sum = 0;
  for (const double difference : differences) sum += std::log1p(bet * std::clamp(difference, -1.0, 1.0));
  return sum;
}

}  // namespace

void EvidenceCusum::push(std::span<const std::vector<double>> alternatives, std::int64_t batch) {
  CHECK(!alternatives.empty());
  std::vector<double> logs;
  for (const std::vector<double>& differences : alternatives) {
    for (const double bet : kBets) logs.push_back(log_wealth(differences, bet));
  }
  add(log_mean_exp(logs), batch);
}

void EvidenceCusum::push(std::span<const double> differences, std::int64_t batch) {
  std::array<double, kBets.size()> logs{};
  for (std::size_t i = 0; i < kBets.size(); ++i) logs[i] = log_wealth(differences, kBets[i]);
  add(log_mean_exp(logs), batch);
}

void EvidenceCusum::add(double log_e, std::int64_t batch) {
  if (value_ <= 0) {
    value_ = 0;
    increments_.clear();
    since_ = last_;
  }
  value_ += log_e;
  increments_.push_back(log_e);
  if (increments_.size() > kIncrementsMax) increments_.erase(increments_.begin());
  last_ = batch;
  if (value_ > kAlarmLog) alarms_ = true;
  if (value_ <= 0) alarms_ = false;
}

double EvidenceCusum::without_strongest(int count) const {
  std::vector<double> sorted = increments_;
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  const std::size_t skipped = std::min(sorted.size(), static_cast<std::size_t>(std::max(count, 0)));
  return std::accumulate(sorted.begin() + static_cast<std::ptrdiff_t>(skipped), sorted.end(), 0.0);
}

int EvidenceCusum::steepest() const {
  const double mean = value_ / static_cast<double>(std::max<std::size_t>(increments_.size(), 1));
  double above = 0, best = 0;
  int count = length();
  for (int newest = 1; newest < length(); ++newest) {
    above += increments_[increments_.size() - static_cast<std::size_t>(newest)] - mean;
    if (above <= best) continue;
    best = above;
    count = newest;
  }
  return count;
}

double EvidenceCusum::sum_of_newest(int count) const {
  const std::size_t taken = std::min(increments_.size(), static_cast<std::size_t>(std::max(count, 0)));
  return std::accumulate(increments_.end() - static_cast<std::ptrdiff_t>(taken), increments_.end(), 0.0);
}

void EvidenceCusum::reset() {
  value_ = 0;
  increments_.clear();
  since_ = last_;
  alarms_ = false;
}

Json EvidenceCusum::to_json() const {
  Json increments = Json::array();
  for (const double increment : increments_) increments.push(increment);
  Json json = Json::object();
  json.set("value", value_).set("since", since_).set("last", last_).set("alarms", alarms_);
  return json.set("increments", std::move(increments));
}

EvidenceCusum EvidenceCusum::from_json(const Json& json) {
  EvidenceCusum cusum;
  cusum.value_ = json.double_or("value");
  cusum.since_ = json.int_or("since");
  cusum.last_ = json.int_or("last");
  cusum.alarms_ = json.bool_or("alarms");
  const Json& increments = json["increments"];
  if (!increments.is_array()) return cusum;
  for (const Json& increment : increments.as_array()) cusum.increments_.push_back(increment.as_double());
  return cusum;
}

}  // namespace trimtab::heal

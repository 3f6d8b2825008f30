#include "profile/quantile_sketch.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace trimtab::profile {
namespace {

using Bins = std::map<int, std::int64_t>;

// Bin k holds the numbers in (g^(k-1), g^k], and answers with the middle by relative distance.
const double kGrowth = (1 + QuantileSketch::kRelativeError) / (1 - QuantileSketch::kRelativeError);
const double kLogGrowth = std::log(kGrowth);

int bin_of(double size) { return static_cast<int>(std::ceil(std::log(size) / kLogGrowth)); }
double middle_of(int bin) {
  // The greatest bin ends beyond what a double can be.
  const double middle = 2 * std::exp(kLogGrowth * bin) / (1 + kGrowth);
  return std::min(middle, std::numeric_limits<double>::max());
}

void bound(Bins& bins) {
  while (bins.size() > QuantileSketch::kBinsMax) {
    const auto nearest = bins.begin();
    std::next(nearest)->second += nearest->second;
    bins.erase(nearest);
  }
}

std::int64_t total(const Bins& bins) {
  std::int64_t sum = 0;
  for (const auto& [bin, times] : bins) sum += times;
  return sum;
}

std::string bins_to_text(const Bins& bins) {
  std::string text;
  for (const auto& [bin, times] : bins) {
    text += (text.empty() ? "" : ",") + std::to_string(bin) + ":" + std::to_string(times);
  }
  return text;
}

tl::unexpected<Error> broken() { return fail(ErrorCode::invalid, "a column's quantiles are broken"); }

// Takes a whole number off the front.
template <class Number>
bool take(std::string_view& text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

bool take(std::string_view& text, char letter) {
  if (!text.starts_with(letter)) return false;
  text.remove_prefix(1);
  return true;
}

// Up to a ';' or the end.
bool take(std::string_view& text, Bins& bins) {
  while (!text.empty() && text.front() != ';') {
    int bin = 0;
    std::int64_t times = 0;
    if (!bins.empty() && !take(text, ',')) return false;
    if (!take(text, bin) || !take(text, ':') || !take(text, times) || times <= 0) return false;
    if (!bins.emplace(bin, times).second || bins.size() > QuantileSketch::kBinsMax) return false;
  }
  return true;
}

}  // namespace

void QuantileSketch::add(double value, std::int64_t times) {
  CHECK(std::isfinite(value));
  if (value == 0) {
    zeros_ += times;
    return;
  }
  Bins& bins = value > 0 ? positive_ : negative_;
  bins[bin_of(std::abs(value))] += times;
  bound(bins);
}

void QuantileSketch::merge(const QuantileSketch& other) {
  zeros_ += other.zeros_;
  for (const auto& [bin, times] : other.positive_) positive_[bin] += times;
  for (const auto& [bin, times] : other.negative_) negative_[bin] += times;
  bound(positive_);
  bound(negative_);
}

std::int64_t QuantileSketch::count() const { return zeros_ + total(positive_) + total(negative_); }

std::optional<double> QuantileSketch::quantile(double p) const {
  const std::int64_t all = count();
  if (all == 0) return std::nullopt;
  auto before = static_cast<std::int64_t>(std::floor(p * static_cast<double>(all - 1)));
  // From the least number to the greatest.
  for (auto bin = negative_.rbegin(); bin != negative_.rend(); ++bin) {
    if (before < bin->second) return -middle_of(bin->first);
    before -= bin->second;
  }
  if (before < zeros_) return 0;
  before -= zeros_;
  for (const auto& [bin, times] : positive_) {
    if (before < times) return middle_of(bin);
    before -= times;
  }
  return middle_of(positive_.rbegin()->first);
}

std::string QuantileSketch::to_text() const {
  return std::to_string(zeros_) + ";" + bins_to_text(positive_) + ";" + bins_to_text(negative_);
}

Result<QuantileSketch> QuantileSketch::from_text(std::string_view text) {
  QuantileSketch sketch;
  const bool is_whole = take(text, sketch.zeros_) && sketch.zeros_ >= 0 && take(text, ';') &&
                        take(text, sketch.positive_) && take(text, ';') && take(text, sketch.negative_);
  if (!is_whole || !text.empty()) return broken();
  return sketch;
}

}  // namespace trimtab::profile

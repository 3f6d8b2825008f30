#include "profile/quantile_sketch.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <vector>

namespace trimtab::profile {
namespace {

QuantileSketch sketch_of(const std::vector<double>& values) {
  QuantileSketch sketch;
  for (const double value : values) sketch.add(value);
  return sketch;
}

std::vector<double> some_numbers() {
  std::vector<double> values;
  // Six powers of ten, both signs, zeros among them.
  for (const int number : *rc::gen::container<std::vector<int>>(rc::gen::inRange(-1'000'000, 1'000'000))) {
    values.push_back(number % 7 == 0 ? 0.0 : number / 100.0);
  }
  return values;
}

RC_GTEST_PROP(QuantileSketch, EveryAnswerIsWithinOnePercentOfATrueOne, ()) {
  std::vector<double> values = some_numbers();
  RC_PRE(!values.empty());
  const QuantileSketch sketch = sketch_of(values);
  std::sort(values.begin(), values.end());
  for (const double p : {0.0, 0.05, 0.5, 0.95, 1.0}) {
    const auto rank = static_cast<std::size_t>(std::floor(p * static_cast<double>(values.size() - 1)));
    RC_ASSERT(std::abs(*sketch.quantile(p) - values[rank]) <= 0.010001 * std::abs(values[rank]));
  }
}

RC_GTEST_PROP(QuantileSketch, DoesNotDependOnHowTheRowsWereCut, ()) {
  const std::vector<double> values = some_numbers();
  const auto cut = static_cast<std::ptrdiff_t>(*rc::gen::inRange<std::size_t>(0, values.size() + 1));
  QuantileSketch parts = sketch_of({values.begin() + cut, values.end()});
  parts.merge(sketch_of({values.begin(), values.begin() + cut}));
  RC_ASSERT(parts == sketch_of(values));
  RC_ASSERT(*QuantileSketch::from_text(parts.to_text()) == parts);
}

TEST(QuantileSketch, NoNumbersHaveNoQuantiles) {
  EXPECT_FALSE(QuantileSketch().quantile(0.5));
  EXPECT_EQ(QuantileSketch().to_text(), "0;;");
}

TEST(QuantileSketch, KeepsToItsBinsAndGivesUpTheSmallestNumbersFirst) {
  QuantileSketch rising, falling;
  for (int i = 0; i <= 6'000; ++i) {
    rising.add(std::pow(10, -300 + i * 0.1));
    falling.add(std::pow(10, 300 - i * 0.1));
  }
  EXPECT_EQ(rising, falling);
  EXPECT_EQ(rising.count(), 6'001);
  EXPECT_NEAR(*rising.quantile(1) / 1e300, 1, 0.0101);
  EXPECT_LE(std::ranges::count(rising.to_text(), ':'), 1'024);
  const double greatest = std::numeric_limits<double>::max();
  EXPECT_NEAR(*sketch_of({-greatest}).quantile(0.5) / -greatest, 1, 0.0101);
  const double least = std::numeric_limits<double>::denorm_min();
  EXPECT_NEAR(*sketch_of({least}).quantile(0.5), 0, 1e-300);
}

TEST(QuantileSketch, ReadsNothingButWhatItWrites) {
  for (const char* text : {"", "1", "1;", "-1;;", "0;1;", "0;1:0;", "0;1:2,;", "0;1:2,1:3;", "0;;1:1;",
                           "0;x:1;", "0;1:99999999999999999999;"}) {
    const auto read = QuantileSketch::from_text(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().message, "a column's quantiles are broken");
  }
}

}  // namespace
}  // namespace trimtab::profile

#include "watch/reconstruction.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <random>

namespace trimtab::watch {
namespace {

TEST(Eigen, EqualsNumpy) {
  std::vector<double> values;
  std::vector<double> vectors;
  eigen({4, 1, 2, 1, 3, 0, 2, 0, 5}, 3, values, vectors);
  EXPECT_NEAR(values[0], 6.66907909, 1e-8);
  EXPECT_NEAR(values[1], 3.4760236, 1e-7);
  EXPECT_NEAR(values[2], 1.85489731, 1e-8);
  for (int i = 0; i < 3; ++i) {
    double length = 0;
    for (int k = 0; k < 3; ++k) length += vectors[i * 3 + k] * vectors[i * 3 + k];
    EXPECT_NEAR(length, 1, 1e-12);
  }
}

// Rows of three columns, the first two nearly the same.
std::vector<double> rows_of(double sign, int count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  std::vector<double> rows;
  for (int i = 0; i < count; ++i) {
    const double x = normal(random);
    rows.insert(rows.end(), {100 + 5 * x, sign * x + 0.1 * normal(random), 7});
  }
  return rows;
}

TEST(Reconstruction, GrowsWhenColumnsNoLongerGoTogether) {
  const Reconstruction fitted = Reconstruction::fit(rows_of(1, 500, 1), 3);
  const auto mean_error = [&fitted](const std::vector<double>& rows) {
    double sum = 0;
    for (std::size_t i = 0; i < rows.size(); i += 3) sum += fitted.error({&rows[i], 3});
    return sum / (static_cast<double>(rows.size()) / 3);
  };
  EXPECT_LT(mean_error(rows_of(1, 300, 2)), 0.2);
  EXPECT_GT(mean_error(rows_of(-1, 300, 2)), 0.9);
}

TEST(Reconstruction, MissingCellsAndConstantColumnsSayNothing) {
  const Reconstruction fitted = Reconstruction::fit(rows_of(1, 500, 1), 3);
  const double missing = std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> row = {missing, missing, 1e9};
  EXPECT_EQ(fitted.error(row), 0);
  EXPECT_EQ(Reconstruction::fit({}, 2).error(std::vector<double>{1, 2}), 0);
}

TEST(Reconstruction, OutlivesTheWayThroughJson) {
  const Reconstruction fitted = Reconstruction::fit(rows_of(1, 50, 1), 3);
  const auto read = Reconstruction::from_json(*base::parse_json(fitted.to_json().dump()));
  ASSERT_TRUE(read);
  const std::vector<double> row = {110, 1, 7};
  EXPECT_EQ(read->error(row), fitted.error(row));
  EXPECT_EQ(Reconstruction::from_json(Json::object()).error().message, "a reconstruction is broken: mean");
  Json json = fitted.to_json();
  json.set("scale", Json::array());
  EXPECT_EQ(Reconstruction::from_json(json).error().message,
            "a reconstruction is broken: its lists have different lengths");
}

}  // namespace
}  // namespace trimtab::watch

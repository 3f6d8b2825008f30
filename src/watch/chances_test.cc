// Expected values: scipy.stats 1.17.1.
#include "watch/chances.h"

#include <cmath>
#include <gtest/gtest.h>

namespace trimtab::watch {
namespace {

TEST(Chances, TheTailOfChiSquareIsScipysAndGoesOnWhereADoubleEnds) {
  EXPECT_NEAR(log_chi_square_tail(0.5, 1), -0.7350111298370846, 1e-13);
  EXPECT_NEAR(log_chi_square_tail(10, 3), -3.9864160317343833, 1e-12);
  EXPECT_NEAR(log_chi_square_tail(2, 5), -0.16352527559465035, 1e-13);
  EXPECT_NEAR(log_chi_square_tail(50, 10), -15.136360524035101, 1e-11);
  EXPECT_NEAR(log_chi_square_tail(500, 20), -213.07216886252377, 1e-9);
  EXPECT_NEAR(log_chi_square_tail(5000, 20), -2442.3, 0.1);  // ln of the leading term x^9 e^-x/2 / ….
  EXPECT_EQ(log_chi_square_tail(0, 4), 0);
  EXPECT_EQ(log_chi_square_tail(-1, 4), 0);
}

TEST(Chances, QuantilesAreScipys) {
  EXPECT_NEAR(chi_square_quantile(0.01, 1), 6.634896601021217, 1e-10);
  EXPECT_NEAR(chi_square_quantile(0.01, 19), 36.19086912927005, 1e-9);
  EXPECT_NEAR(chi_square_quantile(0.5, 7), 6.345811195521515, 1e-10);
  EXPECT_NEAR(chi_square_quantile(0.99, 3), 0.11483180189911714, 1e-11);
  EXPECT_NEAR(normal_quantile(0.5), 0, 1e-12);
  EXPECT_NEAR(normal_quantile(0.025), 1.9599639845400545, 1e-11);
  EXPECT_NEAR(normal_quantile(1e-6), 4.753424308822899, 1e-10);
  EXPECT_NEAR(normal_quantile(0.9), -1.2815515655446004, 1e-11);
  EXPECT_NEAR(chi_mean(1), 0.7978845608028655, 1e-13);
  EXPECT_NEAR(chi_mean(21), 4.528364985323487, 1e-12);
}

TEST(Chances, TheNormalTailIsScipys) {
  EXPECT_NEAR(log_normal_tail(-2), -0.023012909328963476, 1e-14);
  EXPECT_NEAR(log_normal_tail(1), -1.8410216450092634, 1e-13);
  EXPECT_NEAR(log_normal_tail(6), -20.73676894997471, 1e-11);
  EXPECT_NEAR(log_normal_tail(38), -726.5572160188201, 1e-9);
}

TEST(Chances, KolmogorovsTailIsScipys) {
  EXPECT_NEAR(kolmogorov_tail(0.5), 0.9639452436648751, 1e-14);
  EXPECT_NEAR(kolmogorov_tail(1), 0.26999967167735456, 1e-14);
  EXPECT_NEAR(kolmogorov_tail(2), 0.0006709252557796953, 1e-15);
  EXPECT_EQ(kolmogorov_tail(0), 1);
}

TEST(Chances, WilsonsIntervalIsScipys) {
  EXPECT_NEAR(wilson(7, 50).low, 0.06950833427016292, 1e-12);
  EXPECT_NEAR(wilson(7, 50).high, 0.26186193710585537, 1e-12);
  EXPECT_NEAR(wilson(0, 20).low, 0, 1e-15);
  EXPECT_NEAR(wilson(0, 20).high, 0.16112515805281935, 1e-12);
}

}  // namespace
}  // namespace trimtab::watch

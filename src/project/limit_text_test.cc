#include "project/limit_text.h"

#include <gtest/gtest.h>

#include "project/key_table.h"

namespace trimtab::project {
namespace {

TEST(LimitText, ReadsGates) {
  const auto gate = [](const std::string& text) { return parse_gate(text, {"f", 3, 7}).value(); };
  EXPECT_EQ(gate("auc >= 0.68").metric, "auc");
  EXPECT_EQ(gate("auc>=0.68").threshold, 0.68);
  EXPECT_TRUE(gate("  auc  >=  .5  ").at_least);
  EXPECT_EQ(gate("auc >= 1e-3").threshold, 0.001);
  EXPECT_EQ(gate("mae >= -1").threshold, -1);
  EXPECT_FALSE(gate("p99_ms <= 5").at_least);
  EXPECT_TRUE(gate("auc >= champion").against_champion);
  EXPECT_EQ(gate("auc >= champion").threshold, 0);
  EXPECT_EQ(gate("auc >= champion - 0.005").threshold, -0.005);
  EXPECT_EQ(gate("log_loss <= champion+1").threshold, 1);
  EXPECT_EQ(gate("slice( Home town ) . auc >= 0.5").slice, "Home town");
  EXPECT_TRUE(gate("fairness(origin).equal_opportunity <= 0.1").fairness);
  EXPECT_EQ(gate("fairness(origin).demographic_parity_ratio >= 0.8").slice, "origin");
  EXPECT_FALSE(gate("slice(origin).auc >= 0.5").fairness);
  EXPECT_EQ(gate("leakage <= 0.01").metric, "leakage");
  EXPECT_EQ(gate("auc >= 0.68").where, (SourceRange{"f", 3, 7}));
}

TEST(LimitText, HugeOrStrangeNumbersAreRefused) {
  for (const char* text : {"auc >= nan", "auc >= inf", "auc >= 1e999", "auc >= 0x1", "auc >= --1", ""}) {
    EXPECT_FALSE(parse_gate(text, {"f", 1, 1})) << text;
  }
  EXPECT_FALSE(parse_gate("auc >= " + std::string(500, '1'), {"f", 1, 1}));
}

TEST(LimitText, MetricsOfHealthAreTheKeysOfHealth) {
  std::vector<std::string> names;
  for (const Metric& metric : metrics()) {
    if (metric.in_health) names.emplace_back(metric.name);
  }
  std::vector<std::string> keys = kHealthKeys.names();
  std::sort(names.begin(), names.end());
  std::sort(keys.begin(), keys.end());
  EXPECT_EQ(keys, names);
}

}  // namespace
}  // namespace trimtab::project

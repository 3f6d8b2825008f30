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

TEST(LimitText, PeopleDecideOneOfTheGates) {
  const Gate plain = parse_gate("approvals >= 1", {"f", 3, 7}).value();
  EXPECT_EQ(plain.metric, kApprovals);
  EXPECT_EQ(plain.by, "approver");
  EXPECT_EQ(plain.threshold, 1);
  EXPECT_TRUE(plain.at_least);
  const Gate two = parse_gate("approvals( admin )>=2", {"f", 3, 7}).value();
  EXPECT_EQ(two.by, "admin");
  EXPECT_EQ(two.threshold, 2);
  const auto refusal = [](const std::string& text) {
    return base::render(parse_gate(text, {"f", 1, 1}).error());
  };
  const std::string hint =
      "\n   hint: write it like 'approvals >= 1' or, for two different admins, 'approvals(admin) >= 2'";
  EXPECT_EQ(refusal("approvals(viewer) >= 1"),
            "f:1:11: error: gate 'approvals(viewer) >= 1': 'viewer' is no role that approves\n"
            "   hint: approver and admin do");
  EXPECT_EQ(refusal("approvals <= 1"),
            "f:1:11: error: gate 'approvals <= 1': found '<=' where '>=' is wanted" + hint);
  for (const std::string wrong : {"0", "1.5", "21"}) {
    EXPECT_EQ(refusal("approvals >= " + wrong),
              "f:1:14: error: gate 'approvals >= " + wrong + "': found '" + wrong +
                  "' where a number of people from 1 to 20 is wanted" + hint);
  }
  EXPECT_EQ(
      refusal("approvals >= champion"),
      "f:1:14: error: gate 'approvals >= champion': found 'champion' where a number of people from 1 to "
      "20 is wanted" +
          hint);
  EXPECT_EQ(refusal("approvals >= 1 or so"),
            "f:1:16: error: gate 'approvals >= 1 or so': found 'or' where the end is wanted" + hint);
  EXPECT_EQ(refusal("approval >= 1"),
            "f:1:1: error: gate 'approval >= 1': 'approval' is no metric of a gate\n"
            "   hint: did you mean 'approvals'?");
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

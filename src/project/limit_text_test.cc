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
  EXPECT_EQ(gate("mae <= champion - 1").threshold, -1);
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

std::string refused_gate(const std::string& text) {
  const Result<Gate> gate = parse_gate(text, {"f", 1, 1});
  return gate ? "" : base::render(gate.error());
}

TEST(LimitText, TheWrongWayRoundIsRefused) {
  EXPECT_EQ(refused_gate("auc <= 0.7"),
            "f:1:5: error: gate 'auc <= 0.7': '<=' is the wrong way round, more of 'auc' is better\n"
            "   hint: write '>='");
  EXPECT_EQ(refused_gate("flips >= 0.1"),
            "f:1:7: error: gate 'flips >= 0.1': '>=' is the wrong way round, less of 'flips' is better\n"
            "   hint: write '<='");
  for (const char* wrong :
       {"log_loss >= 0.5", "brier >= 0.1", "ece >= 0.1", "accuracy <= 0.7", "rmse >= 1", "mae >= 1",
        "p99_ms >= 5", "leakage >= 0.1", "robustness >= 0.1", "quarantined >= 0.1", "memory_mb >= 100",
        "size_mb >= 1", "auc <= champion", "log_loss >= champion", "slice(x).auc <= 0.7",
        "fairness(x).demographic_parity_ratio <= 0.8", "fairness(x).demographic_parity_difference >= 0.1",
        "fairness(x).equalized_odds >= 0.1", "fairness(x).equal_opportunity >= 0.1"}) {
    EXPECT_NE(refused_gate(wrong).find("is the wrong way round"), std::string::npos) << wrong;
  }
}

TEST(LimitText, WhatCanNeverHoldIsRefused) {
  EXPECT_EQ(refused_gate("auc >= 1.5"),
            "f:1:8: error: gate 'auc >= 1.5' can never hold: 'auc' goes from 0 to 1\n"
            "   hint: a limit between 0 and 1 decides something");
  EXPECT_EQ(refused_gate("p99_ms <= -1"),
            "f:1:11: error: gate 'p99_ms <= -1' can never hold: 'p99_ms' is always above 0\n"
            "   hint: a limit above 0 decides something");
  EXPECT_EQ(refused_gate("rmse <= -1"),
            "f:1:9: error: gate 'rmse <= -1' can never hold: 'rmse' is never below 0\n"
            "   hint: a limit above 0 decides something");
  EXPECT_EQ(refused_gate("auc >= champion + 1"),
            "f:1:8: error: gate 'auc >= champion + 1' can never hold: 'auc' goes from 0 to 1\n"
            "   hint: the distance to the champion is less than that");
  for (const char* wrong :
       {"ece <= -0.1", "log_loss <= 0", "p99_ms <= 0", "memory_mb <= 0", "size_mb <= 0", "flips <= -0.1",
        "ece <= champion - 2", "slice(x).accuracy >= 1.1", "fairness(x).demographic_parity_ratio >= 1.2"}) {
    EXPECT_NE(refused_gate(wrong).find(" can never hold: "), std::string::npos) << wrong;
  }
}

TEST(LimitText, WhatNeverFailsIsRefused) {
  EXPECT_EQ(refused_gate("flips <= 1"),
            "f:1:10: error: gate 'flips <= 1' never fails: 'flips' goes from 0 to 1\n"
            "   hint: a limit between 0 and 1 decides something");
  for (const char* wrong :
       {"auc >= 0", "auc >= -0.2", "brier <= 1.5", "leakage <= 1", "quarantined <= 2",
        "auc >= champion - 1.5", "brier <= champion + 1", "fairness(x).equalized_odds <= 1"}) {
    EXPECT_NE(refused_gate(wrong).find(" never fails: "), std::string::npos) << wrong;
  }
  for (const char* demanding :
       {"auc >= 1", "brier <= 0", "rmse <= 0", "leakage <= 0", "robustness <= 0",
        "log_loss <= champion - 0.1", "auc >= champion + 0.1", "rmse <= champion + 100"}) {
    EXPECT_EQ(refused_gate(demanding), "") << demanding;
  }
}

TEST(LimitText, HealthHasOneGoodSide) {
  const auto refusal = [](const std::string& metric, const std::string& text) {
    const Result<HealthLimit> limit = parse_health_limit(metric, text, {"f", 1, 1});
    return limit ? "" : base::render(limit.error());
  };
  EXPECT_EQ(refusal("auc", "<= 0.5"),
            "f:1:1: error: health limit 'auc: <= 0.5': '<=' is the wrong way round, more of 'auc' is better\n"
            "   hint: write '>='");
  EXPECT_EQ(refusal("freshness", ">= 7d"),
            "f:1:1: error: health limit 'freshness: >= 7d': '>=' is the wrong way round, less of 'freshness' "
            "is better\n   hint: write '<='");
  EXPECT_EQ(refusal("freshness", "<= 0d"),
            "f:1:4: error: health limit 'freshness: <= 0d' can never hold: 'freshness' is always above 0\n"
            "   hint: a limit above 0 decides something");
  EXPECT_EQ(refusal("errors", "<= 100%"),
            "f:1:4: error: health limit 'errors: <= 100%' never fails: 'errors' goes from 0 to 1\n"
            "   hint: a limit between 0 and 1 decides something");
  EXPECT_EQ(refusal("ece", "<= -0.1"),
            "f:1:4: error: health limit 'ece: <= -0.1': found '-' where a number is wanted\n"
            "   hint: write it like 'ece: \"<= 0.5\"'");
  EXPECT_EQ(refusal("errors", "<= 0"), "");
  EXPECT_EQ(refusal("auc", ">= 1"), "");
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

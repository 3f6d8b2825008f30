#include "judge/gates.h"

#include <cmath>
#include <gtest/gtest.h>

namespace trimtab::judge {
namespace {

using project::Gate;
using Numbers = std::vector<double>;

Gate gate(std::string metric, bool at_least, double threshold, std::string slice = "") {
  Gate made;
  made.metric = std::move(metric);
  made.at_least = at_least;
  made.threshold = threshold;
  made.slice = std::move(slice);
  made.text = made.slice.empty() ? made.metric : "slice(" + made.slice + ")." + made.metric;
  made.text += std::string(at_least ? " >= " : " <= ") + std::to_string(threshold).substr(0, 5);
  return made;
}

Gate against_champion(std::string metric, bool at_least, double delta, std::string slice = "") {
  Gate made = gate(std::move(metric), at_least, delta, std::move(slice));
  made.against_champion = true;
  return made;
}

GateResult only(const Gate& wanted, const Judged& judged) {
  std::vector<GateResult> results = evaluate_gates({wanted}, judged);
  CHECK(results.size() == 1);
  return results[0];
}

// Two positives and two negatives, once well and once badly ordered.
class Gates : public testing::Test {
 protected:
  Gates() {
    judged_.truth = truth_;
    judged_.candidate = good_;
  }
  Numbers truth_ = {0, 0, 1, 1};
  Numbers good_ = {0.1, 0.4, 0.35, 0.8};  // auc 0.75, accuracy 0.75
  Numbers bad_ = {0.8, 0.1, 0.3, 0.2};    // auc 0.5
  Judged judged_;
};

TEST_F(Gates, AFigureMeetsItsThresholdOrNot) {
  const GateResult met = only(gate("auc", true, 0.75), judged_);
  EXPECT_EQ(met.gate, "auc >= 0.750");
  EXPECT_EQ(met.verdict, Verdict::pass);
  EXPECT_EQ(met.measured.value, 0.75);
  EXPECT_TRUE(met.measured.low.has_value());
  EXPECT_EQ(met.threshold, 0.75);
  EXPECT_EQ(met.detail, "");
  EXPECT_EQ(only(gate("auc", true, 0.751), judged_).verdict, Verdict::fail);
  EXPECT_EQ(only(gate("log_loss", false, 0.48), judged_).verdict, Verdict::pass);
  EXPECT_EQ(only(gate("log_loss", false, 0.47), judged_).verdict, Verdict::fail);
}

TEST_F(Gates, FairnessComparesGroups) {
  judged_.slice_rows_min = 2;
  judged_.slice_levels["town"] = {"a", "b", "a", "b"};  // Of a none is called positive, of b one of two.
  Gate fair = gate("demographic_parity_difference", false, 0.5, "town");
  fair.fairness = true;
  const GateResult result = only(fair, judged_);
  EXPECT_EQ(result.verdict, Verdict::pass);
  EXPECT_EQ(result.measured.value, 0.5);
  EXPECT_EQ(result.detail, "town: a 0 against b 0.5");
  fair.metric = "demographic_parity_ratio";
  fair.at_least = true;
  fair.threshold = 0.8;
  EXPECT_EQ(only(fair, judged_).verdict, Verdict::fail);
  fair.slice = "street";
  EXPECT_EQ(only(fair, judged_).detail, "no levels of street are known");
  judged_.slice_rows_min = 3;
  fair.slice = "town";
  EXPECT_EQ(only(fair, judged_).detail, "fewer than two groups have 3 rows to compare");
}

TEST_F(Gates, AnswersThatChangedSidesAreFlips) {
  EXPECT_EQ(only(gate("flips", false, 0.5), judged_).verdict, Verdict::pass);  // Nothing to differ from.
  EXPECT_EQ(only(gate("flips", false, 0.5), judged_).detail, "no champion yet");
  judged_.champion = bad_;  // The first and the last row are answered otherwise.
  const GateResult result = only(gate("flips", false, 0.5), judged_);
  EXPECT_EQ(result.verdict, Verdict::pass);
  EXPECT_EQ(result.measured.value, 0.5);
  EXPECT_NEAR(*result.measured.low, 0.150, 0.001);
  EXPECT_NEAR(*result.measured.high, 0.850, 0.001);
  EXPECT_EQ(result.threshold, 0.5);
  EXPECT_EQ(result.detail, "of 4 rows");
  EXPECT_EQ(only(gate("flips", false, 0.49), judged_).verdict, Verdict::fail);
  judged_.champion = good_;
  EXPECT_EQ(only(gate("flips", false, 0), judged_).verdict, Verdict::pass);
}

TEST_F(Gates, AFlipNeedsTwoAnswers) {
  EXPECT_EQ(flip_rate({}, {}).reason, "there are no rows");
  const Numbers half = {0.5, 0.5}, broken = {0.5, std::nan("")}, below = {0.4999, 0.5};
  EXPECT_EQ(flip_rate(half, broken).reason, "row 1 has no score");
  EXPECT_EQ(flip_rate(half, below).value, 0.5);  // 0.5 is a yes.
}

TEST_F(Gates, TheFirstVersionHasNoChampionToMeet) {
  const GateResult result = only(against_champion("auc", true, -0.005), judged_);
  EXPECT_EQ(result.verdict, Verdict::pass);
  EXPECT_EQ(result.detail, "no champion yet");
  EXPECT_EQ(result.measured.value, 0.75);
  EXPECT_FALSE(result.threshold);
  EXPECT_EQ(only(against_champion("auc", true, -0.005, "origin"), judged_).verdict, Verdict::pass);
}

TEST_F(Gates, TheChampionIsMeasuredOnTheSameRows) {
  judged_.champion = bad_;
  const GateResult met = only(against_champion("auc", true, -0.005), judged_);
  EXPECT_EQ(met.verdict, Verdict::pass);
  EXPECT_DOUBLE_EQ(*met.threshold, 0.495);
  EXPECT_EQ(met.detail, "champion 0.5 - 0.005");
  EXPECT_EQ(only(against_champion("auc", true, 0.3), judged_).verdict, Verdict::fail);
  EXPECT_EQ(only(against_champion("auc", true, 0.3), judged_).detail, "champion 0.5 + 0.3");
  EXPECT_EQ(only(against_champion("brier", false, 0), judged_).detail, "champion 0.445");
  EXPECT_EQ(only(against_champion("brier", false, 0), judged_).verdict, Verdict::pass);
}

TEST_F(Gates, UnknownWhenThereIsNoFigure) {
  const GateResult latency = only(gate("p99_ms", false, 5), judged_);
  EXPECT_EQ(latency.verdict, Verdict::unknown);
  EXPECT_EQ(latency.detail, "p99_ms is not computed from scores, and no figure was given");
  truth_ = {1, 1, 1, 1};
  const GateResult one_class = only(gate("auc", true, 0.5), judged_);
  EXPECT_EQ(one_class.verdict, Verdict::unknown);
  EXPECT_EQ(one_class.detail, "all 4 rows are of one class");
  EXPECT_EQ(only(gate("auc", true, 0.5), Judged{}).detail, "no rows");
  bad_[0] = std::numeric_limits<double>::quiet_NaN();
  judged_.champion = bad_;
  EXPECT_EQ(only(against_champion("brier", false, 0), judged_).detail,
            "of the champion: 1 of 4 rows have a score that is no number");
}

TEST_F(Gates, AFigureMeasuredElsewhereIsGiven) {
  judged_.given["p99_ms"].value = 3.5;
  const GateResult latency = only(gate("p99_ms", false, 5), judged_);
  EXPECT_EQ(latency.verdict, Verdict::pass);
  EXPECT_EQ(latency.measured.value, 3.5);
  EXPECT_EQ(only(gate("p99_ms", false, 3), judged_).verdict, Verdict::fail);
  EXPECT_EQ(only(gate("p99_ms", false, 5, "origin"), judged_).detail, "p99_ms is not known by slice");
  EXPECT_EQ(only(against_champion("p99_ms", false, 1), judged_).verdict, Verdict::pass);
  judged_.champion = bad_;
  EXPECT_EQ(only(against_champion("p99_ms", false, 1), judged_).detail,
            "the champion's p99_ms is not known here");
}

TEST_F(Gates, TheWorstSliceDecides) {
  truth_ = {0, 0, 1, 1, 0, 0, 1, 1, 0, 1, 0, 0, 0, 0};
  good_ = {.1, .2, .3, .4, .1, .4, .3, .8, .9, .1, .1, .2, .3, .4};
  Numbers champion = {.1, .2, .3, .4, .1, .2, .3, .8, .9, .1, .1, .2, .3, .4};
  judged_.truth = truth_;
  judged_.candidate = good_;
  judged_.slice_rows_min = 4;
  // EWR is perfect, LGA is not, JFK is worst but has two rows, BOS has one class.
  judged_.slice_levels["origin"] = {"EWR", "EWR", "EWR", "EWR", "LGA", "LGA", "LGA",
                                    "LGA", "JFK", "JFK", "BOS", "BOS", "BOS", "BOS"};
  const GateResult worst = only(gate("auc", true, 0.8, "origin"), judged_);
  EXPECT_EQ(worst.verdict, Verdict::fail);
  EXPECT_EQ(worst.measured.value, 0.75);
  EXPECT_EQ(worst.detail, "slice origin = LGA");
  EXPECT_EQ(only(gate("auc", true, 0.7, "origin"), judged_).verdict, Verdict::pass);
  judged_.champion = champion;
  const GateResult against = only(against_champion("auc", true, -0.25, "origin"), judged_);
  EXPECT_EQ(against.verdict, Verdict::pass);
  EXPECT_EQ(against.detail, "slice origin = LGA: champion 1 - 0.25");
  EXPECT_EQ(only(against_champion("auc", true, -0.2, "origin"), judged_).verdict, Verdict::fail);
}

TEST_F(Gates, SlicesThatCannotBeJudgedLeaveTheGateUnknown) {
  EXPECT_EQ(only(gate("auc", true, 0.5, "origin"), judged_).detail, "no levels of origin are known");
  judged_.slice_levels["origin"] = {"EWR", "EWR", "LGA", "LGA"};
  const GateResult small = only(gate("auc", true, 0.5, "origin"), judged_);
  EXPECT_EQ(small.verdict, Verdict::unknown);
  EXPECT_EQ(small.detail, "no slice of origin has 50 rows");
  judged_.slice_rows_min = 2;
  EXPECT_EQ(only(gate("auc", true, 0.5, "origin"), judged_).detail,
            "slice origin = LGA: all 2 rows are of one class");
  // Of equally bad slices the first by name is reported.
  judged_.slice_levels["origin"] = {"EWR", "LGA", "EWR", "LGA"};
  EXPECT_EQ(only(gate("rate", true, 0.5, "origin"), judged_).detail, "slice origin = EWR");
}

TEST_F(Gates, EveryGateMustPass) {
  const std::vector<Gate> gates = {gate("auc", true, 0.7), gate("p99_ms", false, 5)};
  EXPECT_FALSE(all_pass(evaluate_gates(gates, judged_)));
  judged_.given["p99_ms"].value = 5;
  const std::vector<GateResult> results = evaluate_gates(gates, judged_);
  ASSERT_EQ(results.size(), 2U);
  EXPECT_EQ(results[1].gate, "p99_ms <= 5.000");
  EXPECT_TRUE(all_pass(results));
  EXPECT_TRUE(all_pass({}));
}

TEST_F(Gates, WhatPeopleDecideIsPendingUntilTheyHave) {
  Gate approvals = gate(std::string(project::kApprovals), true, 2);
  approvals.text = "approvals >= 2";
  std::vector<GateResult> results = evaluate_gates({gate("auc", true, 0.7), approvals}, judged_);
  EXPECT_EQ(results[1].verdict, Verdict::pending);
  EXPECT_EQ(results[1].measured.value, 0);
  EXPECT_EQ(results[1].threshold, 2);
  EXPECT_FALSE(all_pass(results));
  EXPECT_TRUE(waits_for_approval(results));
  EXPECT_EQ(GateResult::from_json(results[1].to_json())->verdict, Verdict::pending);
  results[0].verdict = Verdict::unknown;
  EXPECT_FALSE(waits_for_approval(results)) << "people are asked when nothing else stands in the way";
  results.pop_back();
  results[0].verdict = Verdict::pass;
  EXPECT_FALSE(waits_for_approval(results)) << "nobody is to be asked";
}

TEST_F(Gates, JsonRoundTrip) {
  judged_.champion = bad_;
  const GateResult result = only(against_champion("accuracy", true, -0.125), judged_);
  EXPECT_EQ(result.to_json()["verdict"], Json("pass"));
  const Result<GateResult> back = GateResult::from_json(result.to_json());
  ASSERT_TRUE(back);
  EXPECT_EQ(back->to_json(), result.to_json());
  EXPECT_EQ(GateResult::from_json(only(gate("p99_ms", false, 5), judged_).to_json())->verdict,
            Verdict::unknown);
  EXPECT_FALSE(GateResult::from_json(Json::object({{"verdict", "maybe"}})));
}

TEST(GainGate, PassesWhatIsBetterByMoreThanChance) {
  const GateResult better = gain_gate({.rows = 500, .mean = 0.02, .standard_error = 0.01}, 1.64);
  EXPECT_EQ(better.verdict, Verdict::pass);
  EXPECT_EQ(better.detail, "by its loss on 500 rows");
  EXPECT_EQ(gain_gate({.rows = 500, .mean = 0.016, .standard_error = 0.01}, 1.64).verdict, Verdict::fail);
  EXPECT_EQ(gain_gate({.rows = 500, .mean = -0.1, .standard_error = 0.01}, 1.64).verdict, Verdict::fail);
}

}  // namespace
}  // namespace trimtab::judge

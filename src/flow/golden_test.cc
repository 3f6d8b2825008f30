#include "flow/golden.h"

#include <gtest/gtest.h>

#include "flow/small_world_test.h"

namespace trimtab::flow {
namespace {

using judge::Verdict;

constexpr const char* kHeader = "departs,town,km,expected_min,expected_max\n";

class Golden : public testing::Test {
 protected:
  Golden() {
    const std::string gates = "gates: [auc >= 0.1, ece <= 0.9]";
    world_.declare(gates, gates + "\n    golden: golden.csv");
  }
  Candidate train() {
    return world_.train(
        {.model = "late", .as_of = *world_.project.as_of, .test_from = {}, .champion_manifest = {}});
  }
  judge::GateResult gate_of(const std::string& rows) {
    world_.write("golden.csv", kHeader + rows);
    const Candidate candidate = train();
    return candidate.gates.size() == 3 ? candidate.gates[2] : judge::GateResult{};
  }
  // What `check` says to a file, without its folder.
  std::string refusal(const std::string& text) {
    world_.write("golden.csv", text);
    const Status valid = world_.pipeline()->validate(world_.notes);
    return valid ? "" : base::render(valid.error());
  }

  SmallWorld world_;
};

TEST_F(Golden, RowsWithinTheirBoundsPass) {
  const judge::GateResult gate = gate_of(
      "2020-01-02 07:00:00,north,35.5,0,1\n2019-06-01 07:00:00,West,2.5,,1\n2020-01-02 09:00:00,,4.5,,\n");
  EXPECT_EQ(gate.gate, "golden");
  EXPECT_EQ(gate.verdict, Verdict::pass);
  EXPECT_EQ(gate.measured.value, 0);
  EXPECT_EQ(gate.threshold, 0);
  EXPECT_TRUE(gate.detail.starts_with("3 rows of golden.csv; sha256 ")) << gate.detail;
  EXPECT_TRUE(is_decided_by(gate.detail, golden_hash(world_.project, world_.project.models[0]).value()));
}

TEST_F(Golden, TheFirstRowOutsideIsNamed) {
  const judge::GateResult gate = gate_of(
      "2020-01-02 07:00:00,north,35.5,0,1\n2020-01-02 07:00:00,north,35.5,0,0.01\n"
      "2020-01-02 07:00:00,north,2.5,0.99,\n");
  EXPECT_EQ(gate.verdict, Verdict::fail);
  EXPECT_EQ(gate.measured.value, 2);
  EXPECT_TRUE(gate.detail.starts_with("golden.csv:3 got 0.")) << gate.detail;
  EXPECT_NE(gate.detail.find(", 0 to 0.01 is allowed; sha256 "), std::string::npos) << gate.detail;
}

TEST_F(Golden, AJoinedColumnMayBeSaidAndNoRowDecidesNothing) {
  world_.write("golden.csv", "departs,town,km,temp,expected_max\n2020-01-02 07:00:00,north,35.5,-3.25,1\n");
  EXPECT_EQ(train().gates[2].verdict, Verdict::pass);
  EXPECT_EQ(gate_of("").verdict, Verdict::unknown);
}

TEST_F(Golden, AChangedFileIsJudgedAgain) {
  gate_of("2020-01-02 07:00:00,north,35.5,0,1\n");
  world_.notes.take_started();
  train();
  EXPECT_EQ(world_.notes.take_started(), std::vector<std::string>{});
  gate_of("2020-01-02 07:00:00,north,35.5,0,0.9\n");
  EXPECT_EQ(world_.notes.take_started(), std::vector<std::string>{"judge late"});
}

TEST_F(Golden, WhatIsWrongWithTheFileIsSaidWithItsPlace) {
  const Status missing = world_.pipeline()->validate(world_.notes);
  ASSERT_FALSE(missing);
  EXPECT_TRUE(base::render(missing.error())
                  .starts_with("trimtab.yaml:29:13: error: there is no file 'golden.csv'\n   hint: "))
      << base::render(missing.error());
  EXPECT_EQ(refusal("departs,twon,km,expected_min\n2020-01-02 07:00:00,north,1,0\n"),
            "project/golden.csv:1: error: 'twon' is no column of the model's source\n   hint: did you mean "
            "'town'?");
  EXPECT_EQ(refusal("departs,town,km\n2020-01-02 07:00:00,north,1\n"),
            "project/golden.csv:1: error: golden rows have no bounds\n   hint: add a column expected_min or "
            "expected_max");
  EXPECT_EQ(
      refusal(kHeader + std::string("2020-01-02 07:00:00,north,1,0,1\n2020-01-02 07:00:00,north,1,high,\n")),
      "project/golden.csv:3: error: column 'expected_min' wants a number, found 'high'\n   hint: leave "
      "it empty where there is no bound");
  EXPECT_EQ(refusal(kHeader + std::string("2020-01-02 07:00:00,north,1,0.5,0.4\n")),
            "project/golden.csv:2: error: nothing lies between 0.5 and 0.4\n   hint: expected_min is the "
            "smaller one");
  const std::string unreadable = refusal(kHeader + std::string("2020-01-02 07:00:00,north,many,0,1\n"));
  EXPECT_TRUE(unreadable.starts_with("project/golden.csv:2: error: column 'km' wants a number, found 'many'"))
      << unreadable;
  EXPECT_EQ(refusal(kHeader + std::string("2020-01-02 07:00:00,north,1,0,1\n")), "");
}

}  // namespace
}  // namespace trimtab::flow

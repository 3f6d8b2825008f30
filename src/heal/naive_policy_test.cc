#include "heal/naive_policy.h"

#include <gtest/gtest.h>

#include "heal/stream_test.h"

namespace trimtab::heal {
namespace {

constexpr TimeUs kStart = 15'000 * base::kDayUs;

TEST(NaivePolicy, ItsNameSaysWhatItDoes) {
  EXPECT_EQ(parse_policy("declared")->kind, PolicyKind::declared);
  EXPECT_EQ(parse_policy("never")->kind, PolicyKind::never);
  const PolicyOptions weekly = parse_policy("every:7d").value();
  EXPECT_EQ(weekly.kind, PolicyKind::periodic);
  EXPECT_EQ(weekly.period, 7 * base::kDayUs);
  const PolicyOptions each = parse_policy("every-batch:6").value();
  EXPECT_EQ(each.kind, PolicyKind::every_batches);
  EXPECT_EQ(each.every_batches, 1);
  EXPECT_EQ(each.window_batches, 6);
  const PolicyOptions fifth = parse_policy("every-batches:5:12").value();
  EXPECT_EQ(fifth.every_batches, 5);
  EXPECT_EQ(fifth.window_batches, 12);
}

TEST(NaivePolicy, AnUnknownNameIsRefusedWithThoseThatAreKnown) {
  for (const char* name : {"sometimes", "every:", "every:soon", "every-batch", "every-batch:0",
                           "every-batches:5", "every-batches:5:12:3", "every-batch:6x", ""}) {
    const Result<PolicyOptions> parsed = parse_policy(name);
    ASSERT_FALSE(parsed) << name;
    EXPECT_EQ(base::render(parsed.error()), "error: '" + std::string(name) +
                                                "' is no policy\n   hint: declared, never, every:7d, "
                                                "every-batch:12, or every-batches:5:12");
  }
}

TEST(NaivePolicy, AfterEachFifthBatchItLearnsFromTheNewestOnesAndAsksNoGate) {
  const PolicyOptions options = parse_policy("every-batches:5:3").value();
  PolicyState state;
  state.served_version = 1;
  Stream stream(3);
  for (std::int64_t day = 0; day < 10; ++day) {
    const watch::LabelledBatch batch = stream.day(15'000 + day, Concept::first);
    const Verdict verdict = decide(options, state, batch, batch.end);
    if (day % 5 != 4) {
      EXPECT_EQ(verdict.treatment, Treatment::none) << day;
      continue;
    }
    ASSERT_EQ(verdict.treatment, Treatment::retrain) << day;
    EXPECT_FALSE(verdict.gated);
    EXPECT_EQ(verdict.train_from, kStart + (day - 2) * base::kDayUs);
    EXPECT_EQ(verdict.test_from, batch.end);
    state = PolicyState::from_json(state.to_json());  // As after a restart.
    note_promotion(state, 2, batch.end);
    state.served_version = 1;
  }
  EXPECT_EQ(state.retrains.size(), 2u);
}

}  // namespace
}  // namespace trimtab::heal

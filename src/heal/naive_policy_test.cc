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
  EXPECT_EQ(parse_policy("every-batch")->window_batches, 12);
  EXPECT_EQ(parse_policy("every-batches:7")->every_batches, 7);
  EXPECT_EQ(parse_policy("psi:9")->kind, PolicyKind::psi);
  EXPECT_EQ(parse_policy("psi:9")->window_batches, 9);
  EXPECT_EQ(parse_policy("loss-3sigma")->kind, PolicyKind::loss_3sigma);
  EXPECT_FALSE(parse_policy("psi")->contract);
  EXPECT_TRUE(parse_policy("contract+psi")->contract);
}

TEST(NaivePolicy, AnUnknownNameIsRefusedWithThoseThatAreKnown) {
  for (const char* name :
       {"sometimes", "every:", "every:soon", "every-batch:", "every-batch:0", "psi:x", "every-batches",
        "every-batches:5:12:3", "every-batch:6x", "never:3", "contract+", "contract+declared", ""}) {
    const Result<PolicyOptions> parsed = parse_policy(name);
    ASSERT_FALSE(parsed) << name;
    EXPECT_EQ(base::render(parsed.error()), "error: '" + std::string(name) +
                                                "' is no policy\n   hint: declared, never, every:7d, "
                                                "every-batch:12, every-batches:5:12, psi:12, loss-3sigma:12, "
                                                "or contract+ before one of these");
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

// What a policy wants to do on each of some days, its trainings being promoted at once.
std::vector<std::int64_t> days_of_retraining(const std::string& policy,
                                             const std::vector<watch::LabelledBatch>& days) {
  const PolicyOptions options = parse_policy(policy).value();
  PolicyState state;
  state.served_version = 1;
  std::vector<std::int64_t> retrains;
  for (std::size_t day = 0; day < days.size(); ++day) {
    const Verdict verdict = decide(options, state, days[day], days[day].end);
    const std::deque<watch::LabelledBatch> recent = state.recent;
    state = PolicyState::from_json(state.to_json());  // As after a restart.
    state.recent = recent;
    if (verdict.treatment != Treatment::retrain) continue;
    EXPECT_FALSE(verdict.gated);
    retrains.push_back(static_cast<std::int64_t>(day));
    note_promotion(state, 1, days[day].end);
  }
  return retrains;
}

TEST(NaivePolicy, PsiSeesFeaturesMoveAndNotAConceptChange) {
  Stream stream(4);
  std::vector<watch::LabelledBatch> days;
  for (std::int64_t day = 0; day < 40; ++day) {
    days.push_back(
        stream.day(15'000 + day, day < 30 ? Concept::first : Concept::second, 1, Concept::first, 600));
    for (std::size_t cell = 0; day >= 20 && cell < days.back().features.size(); cell += 2) {
      days.back().features[cell] += 0.7;
    }
  }
  const std::vector<std::int64_t> retrains = days_of_retraining("psi:3", days);
  ASSERT_FALSE(retrains.empty());
  EXPECT_EQ(retrains.front(), 20);
  EXPECT_LT(retrains.back(), 24) << "once the window has moved along there is nothing new";
}

TEST(NaivePolicy, Loss3SigmaSeesAConceptChangeAtOnce) {
  Stream stream(5);
  std::vector<watch::LabelledBatch> days;
  for (std::int64_t day = 0; day < 24; ++day) {
    days.push_back(
        stream.day(15'000 + day, day < 20 ? Concept::first : Concept::second, 1, Concept::first, 600));
  }
  EXPECT_EQ(days_of_retraining("loss-3sigma:6", days), std::vector<std::int64_t>{20});
}

}  // namespace
}  // namespace trimtab::heal

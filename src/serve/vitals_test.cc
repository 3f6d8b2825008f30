#include "serve/vitals.h"

#include <gtest/gtest.h>

namespace trimtab::serve {
namespace {

TEST(Vitals, WithoutALimitSlowIsManyTimesAndFelt) {
  EXPECT_TRUE(is_slow(5000, 1000, 0));
  EXPECT_FALSE(is_slow(3000, 1000, 0)) << "three times is not more than three times";
  EXPECT_FALSE(is_slow(900, 10, 0)) << "nobody feels it";
  EXPECT_TRUE(is_slow(5001, 5000, 5000)) << "with a limit that alone counts";
  EXPECT_FALSE(is_slow(5000, 1, 5000));
}

class VitalsTest : public testing::Test {
 protected:
  VitalsTest() { vitals_.watch({{.served = 1, .other = 2}, {.served = 1, .other = 3}}, 0); }
  void note(std::uint64_t request, bool first_fails, bool second_fails) {
    const Asked asked[] = {{1, first_fails, first_fails ? "one" : ""},
                           {2, second_fails, second_fails ? "two" : ""}};
    vitals_.note(request, asked, static_cast<TimeUs>(request));
  }
  PairVitals pair() const { return vitals_.pairs().at(0); }

  Vitals vitals_;
};

TEST_F(VitalsTest, CountsWhoFailedAloneAndKeepsTheFirstError) {
  note(1, false, false);
  note(2, false, true);
  note(3, true, true);
  note(4, true, false);
  note(5, true, false);
  EXPECT_EQ(pair().requests, 5);
  EXPECT_EQ(pair().served_failed, 3);
  EXPECT_EQ(pair().other_failed, 2);
  EXPECT_EQ(pair().only_served_failed, 2);
  EXPECT_EQ(pair().only_other_failed, 1);
  EXPECT_EQ(pair().served_first, (FirstFailure{3, "one"}));
  EXPECT_EQ(pair().other_first, (FirstFailure{2, "two"}));
  EXPECT_EQ(vitals_.pairs().at(1).requests, 0) << "version 3 was not asked";
  EXPECT_EQ(vitals_.pairs().at(1).served_first, FirstFailure());
}

TEST_F(VitalsTest, WhatWasKeptGoesOnAfterARestart) {
  for (std::uint64_t request = 1; request <= 5; ++request) note(request, request == 2, request > 3);
  vitals_.note_times(1, 2, 100, 9000);
  const PairVitals kept = PairVitals::from_json(base::parse_json(pair().to_json().dump()).value());
  EXPECT_EQ(kept, pair());
  Vitals restarted;
  restarted.watch({kept}, 0);
  restarted.watch({{.served = 1, .other = 2, .role = model::Role::canary}, {.served = 1, .other = 3}}, 0);
  EXPECT_EQ(restarted.pairs().at(0).requests, 5);
  EXPECT_EQ(restarted.pairs().at(0).role, model::Role::canary);
  EXPECT_EQ(restarted.pairs().at(1).requests, 0);
}

TEST_F(VitalsTest, ARequestCountsOnceInHoweverManyPartsItComes) {
  note(7, false, true);
  note(8, false, false);
  note(7, false, true);
  EXPECT_EQ(pair().requests, 2);
  EXPECT_EQ(pair().only_other_failed, 1);
}

// The scorer of shadows takes what waits, and that may be the first half of a request.
TEST_F(VitalsTest, ARequestHasFailedWhenALaterPartHas) {
  note(7, false, false);
  note(7, false, true);
  note(7, false, false);
  EXPECT_EQ(pair().requests, 1);
  EXPECT_EQ(pair().other_failed, 1);
  EXPECT_EQ(pair().only_other_failed, 1);
  EXPECT_EQ(pair().other_first, (FirstFailure{7, "two"}));
  note(7, true, false);
  EXPECT_EQ(pair().served_failed, 1);
  EXPECT_EQ(pair().only_other_failed, 0) << "both have";
}

TEST_F(VitalsTest, TimesAreHeldAgainstTheLimitOrTheOtherOne) {
  vitals_.note_times(1, 2, 100, 9000);
  vitals_.note_times(1, 2, 9000, 100);
  vitals_.note_times(1, 2, 100, 200);
  EXPECT_EQ(pair().timed, 3);
  EXPECT_EQ(pair().only_other_slow, 1);
  EXPECT_EQ(pair().only_served_slow, 1);
  EXPECT_EQ(pair().served_us, 9200);
  vitals_.watch({{.served = 1, .other = 2}}, 150);
  vitals_.note_times(1, 2, 100, 200);
  vitals_.note_times(1, 2, 300, 200);
  EXPECT_EQ(pair().only_other_slow, 2) << "the machine was slow the second time";
  EXPECT_EQ(vitals_.pairs().size(), 1u);
}

}  // namespace
}  // namespace trimtab::serve

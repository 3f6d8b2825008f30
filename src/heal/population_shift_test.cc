#include "heal/population_shift.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>

#include "heal/stream_test.h"

namespace trimtab::heal {
namespace {

class PopulationShift : public testing::Test {
 protected:
  PopulationReference reference() {
    before_ = stream_.day(1, Concept::first, 1, Concept::first, 2000);
    const watch::LabelledBatch* batches[] = {&before_};
    return PopulationReference::of(batches);
  }
  watch::LabelledBatch moved(double by) {
    watch::LabelledBatch batch = stream_.day(2, Concept::first, 1, Concept::first, 500);
    for (std::size_t cell = 0; cell < batch.features.size(); cell += 2) batch.features[cell] += by;
    return batch;
  }
  Stream stream_{7};
  watch::LabelledBatch before_;
};

TEST_F(PopulationShift, TheSamePopulationIsNearAndAnotherIsFar) {
  const PopulationReference known = reference();
  EXPECT_LT(known.shift_of(moved(0)), 0.1);
  EXPECT_GT(known.shift_of(moved(0.6)), 0.2);
}

TEST_F(PopulationShift, AConcernedFeatureIsEnough) {
  watch::LabelledBatch batch = moved(0);
  for (std::size_t cell = 1; cell < batch.features.size(); cell += 2) {
    batch.features[cell] = std::numeric_limits<double>::quiet_NaN();
  }
  EXPECT_GT(reference().shift_of(batch), 1);
}

TEST_F(PopulationShift, TwoTenthsThatChangePlacesMakeTheTextbookIndex) {
  watch::LabelledBatch now = reference().empty() ? before_ : before_;
  now.width = 1;
  now.features.assign(now.truth.size(), 0);
  watch::LabelledBatch past = now;
  for (std::size_t row = 0; row < past.truth.size(); ++row) past.features[row] = row % 2 == 0 ? 1 : 2;
  for (std::size_t row = 0; row < now.truth.size(); ++row) now.features[row] = row % 4 == 0 ? 1 : 2;
  const watch::LabelledBatch* batches[] = {&past};
  // Half and half became a quarter and three quarters.
  const double expected = -0.25 * std::log(0.5) + 0.25 * std::log(1.5);
  EXPECT_NEAR(PopulationReference::of(batches).shift_of(now), expected, 0.01);
}

TEST_F(PopulationShift, ARestartForgetsNothing) {
  const PopulationReference known = reference();
  const watch::LabelledBatch batch = moved(0.3);
  EXPECT_EQ(PopulationReference::from_json(known.to_json()).shift_of(batch), known.shift_of(batch));
}

TEST_F(PopulationShift, WithoutAReferenceNothingIsFar) {
  EXPECT_EQ(PopulationReference().shift_of(moved(5)), 0);
  EXPECT_EQ(PopulationReference::from_json(Json()).shift_of(moved(5)), 0);
  EXPECT_TRUE(PopulationReference::of({}).empty());
}

}  // namespace
}  // namespace trimtab::heal

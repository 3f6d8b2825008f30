#include "heal/batch_contract.h"

#include <cmath>
#include <functional>
#include <gtest/gtest.h>

#include "heal/stream_test.h"

namespace trimtab::heal {
namespace {

class ContractTest : public testing::Test {
 protected:
  watch::LabelledBatch next() { return stream_.day(day_++, Concept::first, 1, Concept::first, 400); }
  void pass(int batches) {
    for (int i = 0; i < batches; ++i) EXPECT_FALSE(contract_.look(next()).is_broken()) << i;
  }
  // The first reason that a batch gives when `spoil` has been at its first feature.
  std::string spoilt(const std::function<double(double value, std::size_t row)>& spoil) {
    watch::LabelledBatch batch = next();
    for (std::size_t row = 0; row < batch.truth.size(); ++row) {
      batch.features[2 * row] = spoil(batch.features[2 * row], row);
    }
    const Breach breach = contract_.look(batch);
    return breach.reasons.empty() ? "" : breach.reasons.front();
  }

  Stream stream_{11};
  std::int64_t day_ = 15'000;
  Contract contract_;
};

TEST_F(ContractTest, AStreamThatStaysAsItIsBreaksNothing) { pass(200); }

TEST_F(ContractTest, TheSameRowsAgainAreNoNews) {
  pass(3);
  watch::LabelledBatch batch = next();
  EXPECT_FALSE(contract_.look(batch).is_broken());
  batch.number += base::kDayUs;
  batch.truth.assign(batch.truth.size(), 0);
  const Breach again = contract_.look(batch);
  EXPECT_TRUE(again.repeated);
  EXPECT_EQ(again.to_json().dump(),
            R"({"repeated":true,"reasons":["the rows of an earlier batch have come again"]})");
}

TEST_F(ContractTest, WhatNoSeasonDoesIsABreach) {
  pass(10);
  EXPECT_EQ(spoilt([](double value, std::size_t row) { return row % 10 == 0 ? -999 : value; }),
            "feature 1: one value in 10 % of the rows");
  EXPECT_EQ(spoilt([](double value, std::size_t row) { return row % 2 == 0 ? std::nan("") : value; }),
            "feature 1: 50 % of the rows have no value, else 0 %");
  EXPECT_TRUE(spoilt([](double value, std::size_t) { return value * 1.8 + 32; })
                  .starts_with("feature 1: other units: its middle and spread are "));
  EXPECT_TRUE(spoilt([](double value, std::size_t) { return value / 1000; })
                  .starts_with("feature 1: other units"));
  pass(5);
}

TEST_F(ContractTest, AColumnMayMove) {
  pass(10);
  EXPECT_EQ(spoilt([](double value, std::size_t) { return value + 1; }), "");
}

TEST_F(ContractTest, ColumnsThatNoLongerGoTogetherAreABreach) {
  const auto tied = [this] {
    watch::LabelledBatch batch = next();
    for (std::size_t row = 0; row < batch.truth.size(); ++row) {
      batch.features[2 * row + 1] = 0.8 * batch.features[2 * row] + 0.3 * batch.features[2 * row + 1];
    }
    return batch;
  };
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(contract_.look(tied()).is_broken());
  EXPECT_EQ(contract_.look(next()).reasons.back(),
            "feature 2: it no longer goes with the other columns as before");
}

TEST_F(ContractTest, WhatStaysOtherwiseForLongIsTheNewNormal) {
  pass(10);
  int broken = 0;
  for (int i = 0; i < 40; ++i) {
    if (!spoilt([](double value, std::size_t) { return value * 10; }).empty()) ++broken;
  }
  EXPECT_EQ(broken, Contract::kBrokenMax);
}

TEST_F(ContractTest, SurvivesItsJson) {
  pass(10);
  Contract again = Contract::from_json(base::parse_json(contract_.to_json().dump()).value());
  EXPECT_EQ(again.to_json().dump(), contract_.to_json().dump());
  const watch::LabelledBatch batch = next();
  EXPECT_FALSE(again.look(batch).is_broken());
  EXPECT_TRUE(again.look(batch).repeated);
  EXPECT_EQ(Contract::from_json(Json::object()).to_json().dump(), Contract().to_json().dump());
}

}  // namespace
}  // namespace trimtab::heal

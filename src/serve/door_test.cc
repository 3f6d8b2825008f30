#include "serve/door.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <thread>

#include "serve/door_stream_test.h"

namespace trimtab::serve {
namespace {

class DoorTest : public testing::Test {
 protected:
  void SetUp() override { learn(10); }

  // The rows that were touched.
  std::int64_t pass(RequestRows& request) {
    const std::vector<char> all(static_cast<std::size_t>(request.rows.rows()), 0);
    const std::vector<char> touched = door_.pass(request, *columns_, all, now_);
    return std::count(touched.begin(), touched.end(), 1);
  }
  void learn(int windows) {
    for (int i = 0; i < windows; ++i) {
      RequestRows request = stream_.rows(500);
      ASSERT_EQ(pass(request), 0) << i;
    }
  }
  std::string findings() const {
    std::string text;
    for (const Finding& finding : door_.findings())
      text += (text.empty() ? "" : "; ") + finding.column + " " + finding.what;
    return text;
  }
  // Damages 500 rows, and expects them back as they were.
  void expect_undone(const std::string& finding, int column, const std::function<double(double)>& damage,
                     double tolerance = 1e-9) {
    RequestRows request = stream_.rows(500);
    const std::vector<double> right = numbers_of(request, column);
    change(request, column, damage);
    EXPECT_EQ(pass(request), 500);
    EXPECT_EQ(findings(), finding);
    const std::vector<double> repaired = numbers_of(request, column);
    for (std::size_t i = 0; i < right.size(); ++i) ASSERT_NEAR(repaired[i], right[i], tolerance) << i;
  }

  DoorStream stream_;
  Door door_{DoorOptions{"late", {}}};
  std::shared_ptr<const DoorColumns> columns_ = door_.expect(DoorStream::schema());
  TimeUs now_ = 7;
};

TEST_F(DoorTest, UnitsAreUndone) {
  expect_undone("temp unit: (x - 32) / 1.8", DoorStream::kTemp, [](double x) { return 1.8 * x + 32; });
  learn(1);
  expect_undone("far unit: x * 1.609", DoorStream::kFar, [](double x) { return x / 1.609; });
  learn(1);
  expect_undone("even unit: x * 1000", DoorStream::kEven, [](double x) { return x / 1000; });
  learn(1);
  expect_undone("price unit: x / 1000", DoorStream::kPrice, [](double x) { return x * 1000; });
  learn(1);
  expect_undone("hits unit: x / 0.3048", DoorStream::kHits, [](double x) { return x * 0.3048; }, 3);
}

TEST_F(DoorTest, ATurnedSignAndSwappedColumnsAreUndone) {
  expect_undone("even sign: -x", DoorStream::kEven, [](double x) { return -x; });
  learn(1);
  RequestRows request = stream_.rows(500);
  const std::vector<double> temp = numbers_of(request, DoorStream::kTemp);
  const std::vector<double> far = numbers_of(request, DoorStream::kFar);
  for (int row = 0; row < 500; ++row) {
    request.rows.set_real(DoorStream::kTemp, row, far[static_cast<std::size_t>(row)]);
    request.rows.set_real(DoorStream::kFar, row, temp[static_cast<std::size_t>(row)]);
  }
  EXPECT_EQ(pass(request), 500);
  EXPECT_EQ(findings(), "far swapped with temp; temp swapped with far");
  EXPECT_EQ(numbers_of(request, DoorStream::kTemp), temp);
  EXPECT_EQ(numbers_of(request, DoorStream::kFar), far);
}

TEST_F(DoorTest, AnotherScaleAndPlaceIsMatchedByQuartiles) {
  expect_undone("temp another scale and place", DoorStream::kTemp, [](double x) { return 5.7 * x - 400; }, 4);
}

// What is filled is nearer to what it was than the middle of the column would be.
TEST_F(DoorTest, ABurstOfOneValueOrOfNoneIsFilledFromTheOtherColumns) {
  for (const bool is_null : {false, true}) {
    RequestRows request = stream_.rows(500);
    const std::vector<double> right = numbers_of(request, DoorStream::kTemp);
    for (int row = 0; row < 500; row += 5) {
      if (is_null) request.rows.set_null(DoorStream::kTemp, row);
      if (!is_null) request.rows.set_real(DoorStream::kTemp, row, 9999);
    }
    EXPECT_EQ(pass(request), 100);
    EXPECT_EQ(findings(), is_null ? "temp missing" : "temp default value 9999.0");
    double filled = 0;
    double middle = 0;
    const std::vector<double> repaired = numbers_of(request, DoorStream::kTemp);
    for (std::size_t i = 0; i < right.size(); ++i) {
      if (i % 5 != 0) {
        ASSERT_EQ(repaired[i], right[i]);
      }
      filled += std::abs(repaired[i] - right[i]);
      middle += i % 5 == 0 ? std::abs(15 - right[i]) : 0;
    }
    EXPECT_LT(filled, 0.8 * middle);
    learn(1);
  }
}

TEST_F(DoorTest, AColumnThatNothingExplainsIsNotBelieved) {
  RequestRows request = stream_.rows(500);
  DoorStream other(99);
  const RequestRows unrelated = other.rows(500);
  for (int row = 0; row < 500; ++row)
    request.rows.set_real(DoorStream::kEven, row, unrelated.rows.real(DoorStream::kEven, row));
  EXPECT_EQ(pass(request), 500);
  EXPECT_EQ(findings(), "even wrong in a way that nothing explains");
}

TEST_F(DoorTest, AChangeOfPlaceAloneIsNotTouched) {
  for (int i = 0; i < 20; ++i) {
    RequestRows request = stream_.rows(500);
    change(request, DoorStream::kTemp, [](double x) { return x + 8 * 1.9; });
    change(request, DoorStream::kPrice, [](double x) { return x * 1.8; });
    change(request, DoorStream::kHits, [](double x) { return x + 20'000; });
    EXPECT_EQ(pass(request), 0) << i;
  }
  EXPECT_EQ(findings(), "");
}

TEST_F(DoorTest, SeasonsAreNotTouched) {
  for (int day = 0; day < 120; ++day) {
    stream_.season = 0.7 * std::sin(2 * std::numbers::pi * day / 7);
    RequestRows request = stream_.rows(day % 10 == 3 ? 2048 : 500);
    EXPECT_EQ(pass(request), 0) << day;
  }
}

TEST_F(DoorTest, CleanRowsAreNotTouched) {
  for (unsigned seed = 0; seed < 10; ++seed) {
    DoorStream stream(100 + seed);
    Door door({"late", {}});
    const auto columns = door.expect(DoorStream::schema());
    for (int i = 0; i < 100; ++i) {
      const int count = seed % 2 == 0 ? 200 : 60;
      RequestRows request = stream.rows(count);
      const std::vector<char> touched =
          door.pass(request, *columns, std::vector<char>(static_cast<std::size_t>(count), 0), 0);
      EXPECT_EQ(std::ranges::count(touched, 1), 0) << "seed " << seed << ", window " << i;
    }
  }
}

// Rows in the order of the day: each window has another spread, and other columns go together.
TEST_F(DoorTest, TrafficThatAlwaysVariesIsLeftAlone) {
  Door door({"late", {}});
  const auto columns = door.expect(DoorStream::schema());
  std::int64_t touched = 0;
  for (int window = 0; window < 140; ++window) {
    const double hour = 2 * std::numbers::pi * (window % 7) / 7;
    RequestRows request = stream_.rows(100);
    change(request, DoorStream::kFar, [hour](double x) { return 70 + (x - 70) * std::exp(std::sin(hour)); });
    if (window % 7 < 2) change(request, DoorStream::kEven, [](double x) { return -x; });
    const std::vector<char> now = door.pass(request, *columns, std::vector<char>(100, 0), 0);
    if (window >= 35) touched += std::ranges::count(now, 1);
  }
  EXPECT_EQ(touched, 0);
}

TEST_F(DoorTest, RowsThatComeAloneAreJudgedTogether) {
  Door door({"late", {}});
  const auto columns = door.expect(DoorStream::schema());
  const auto pass_one = [&](bool broken) {
    RequestRows request = stream_.rows(1);
    const double right = request.rows.real(DoorStream::kFar, 0);
    if (broken) request.rows.set_real(DoorStream::kFar, 0, right * 0.3048);
    const bool is_touched = door.pass(request, *columns, {0}, 0).front() != 0;
    const bool is_right = std::abs(request.rows.real(DoorStream::kFar, 0) - right) < 1e-9;
    return std::pair(is_touched, is_right);
  };
  for (int i = 0; i < 2400; ++i) ASSERT_FALSE(pass_one(false).first) << i;
  int wrong = 0;
  for (int i = 0; i < 1000; ++i) {
    const auto [is_touched, is_right] = pass_one(true);
    if (!is_right) ++wrong;
    if (i >= 250) {
      EXPECT_TRUE(is_right) << i;
    }
  }
  EXPECT_LE(wrong, 250);
  int touched = 0;
  for (int i = 0; i < 1000; ++i) touched += pass_one(false).first ? 1 : 0;
  EXPECT_LE(touched, 250) << "it ends by itself";
}

TEST_F(DoorTest, NothingIsJudgedBeforeAThousandRows) {
  Door door({"late", {}});
  const auto columns = door.expect(DoorStream::schema());
  RequestRows request = stream_.rows(900);
  door.pass(request, *columns, std::vector<char>(900, 0), 0);
  RequestRows broken = stream_.rows(90);
  change(broken, DoorStream::kFar, [](double x) { return x * 1000; });
  const std::vector<char> touched = door.pass(broken, *columns, std::vector<char>(90, 0), 0);
  EXPECT_EQ(std::ranges::count(touched, 1), 0);
  EXPECT_FALSE(door.view()["judges"].as_bool());
}

TEST_F(DoorTest, ARestartDoesNotBlindIt) {
  std::vector<std::string> logged;
  for (int i = 0; i < 10; ++i) {
    const RequestRows request = stream_.rows(200);
    for (int row = 0; row < 200; ++row) {
      Json json = Json::object();
      for (int column = 0; column < request.rows.schema().size(); ++column)
        json.set(request.rows.schema().at(column).name, request.rows.cell_json(column, row));
      logged.push_back(json.dump());
    }
  }
  Door door({"late", {}});
  const auto columns = door.expect(DoorStream::schema());
  door.refer_to(logged);
  EXPECT_EQ(door.view()["reference_rows"].dump(), "2000");
  RequestRows request = stream_.rows(500);
  const std::vector<double> right = numbers_of(request, DoorStream::kHits);
  change(request, DoorStream::kHits, [](double x) { return x * 1000; });
  door.pass(request, *columns, std::vector<char>(500, 0), 0);
  EXPECT_EQ(numbers_of(request, DoorStream::kHits), right);
}

TEST_F(DoorTest, ColumnsThatMustNotBeKeptAreLeftAlone) {
  Door door({"late", {"far", "temp"}});
  EXPECT_EQ(door.expect(DoorStream::schema())->names, (std::vector<std::string>{"even", "price", "hits"}));
}

TEST_F(DoorTest, WhatStaysUnexplainedBecomesUsual) {
  std::int64_t touched = 0;
  for (int i = 0; i < 40; ++i) {
    RequestRows request = stream_.rows(500);
    change(request, DoorStream::kEven, [](double x) { return x * x * x * 3; });
    DoorStream other(1000 + static_cast<unsigned>(i));
    const RequestRows unrelated = other.rows(500);
    for (int row = 0; row < 500; ++row)
      request.rows.set_real(DoorStream::kEven, row, unrelated.rows.real(DoorStream::kEven, row));
    touched = pass(request);
  }
  EXPECT_EQ(touched, 0);
  EXPECT_EQ(findings(), "");
}

TEST_F(DoorTest, AFindingSaysSinceWhenAndHowManyRows) {
  for (int i = 0; i < 3; ++i) {
    now_ = 1000 + i;
    RequestRows request = stream_.rows(500);
    change(request, DoorStream::kFar, [](double x) { return x / 1000; });
    pass(request);
  }
  ASSERT_EQ(door_.findings().size(), 1u);
  EXPECT_EQ(door_.findings()[0].since, 1000);
  EXPECT_EQ(door_.findings()[0].rows, 1500);
  EXPECT_EQ(door_.view()["findings"].dump(),
            R"([{"column":"far","what":"unit: x * 1000","since":"1970-01-01T00:00:00.001Z","rows":1500}])");
  learn(1);
  EXPECT_TRUE(door_.findings().empty());
}

TEST_F(DoorTest, RowsThatWereAnsweredBeforeArePassedOver) {
  RequestRows request = stream_.rows(500);
  change(request, DoorStream::kFar, [](double x) { return x / 1000; });
  const std::vector<double> sent = numbers_of(request, DoorStream::kFar);
  std::vector<char> known(500, 1);
  const std::vector<char> touched = door_.pass(request, *columns_, known, 0);
  EXPECT_EQ(std::ranges::count(touched, 1), 0);
  EXPECT_EQ(numbers_of(request, DoorStream::kFar), sent);
}

// Whatever is asked, nothing breaks, and rows without a finding are as they were.
RC_GTEST_PROP(Door, AnyRowsArePassed, ()) {
  Door door({"late", {}});
  const auto columns = door.expect(DoorStream::schema());
  DoorStream stream(*rc::gen::inRange(1u, 1000u));
  for (int i = 0; i < 6; ++i) {
    RequestRows usual = stream.rows(*rc::gen::element(1, 60, 300, 500));
    door.pass(usual, *columns, std::vector<char>(static_cast<std::size_t>(usual.rows.rows()), 0), 0);
  }
  for (int i = 0; i < 4; ++i) {
    const int count = *rc::gen::element(1, 2, 49, 50, 77, 500, 2048);
    RequestRows request = stream.rows(count);
    for (int column = 0; column < 5; ++column) {
      const int how = *rc::gen::inRange(0, 9);
      for (int row = 0; row < count && how > 0; ++row) {
        if (how == 1 || (how == 2 && row % 3 == 0)) request.rows.set_null(column, row);
        if (column == DoorStream::kHits) {
          if (how == 3) request.rows.set_integer(column, row, 7);
          if (how == 4) request.rows.set_integer(column, row, row % 2 == 0 ? INT64_MIN : INT64_MAX);
          continue;
        }
        const double number = request.rows.is_null(column, row) ? 0 : request.rows.real(column, row);
        if (how == 3) request.rows.set_real(column, row, 7);
        if (how == 4) request.rows.set_real(column, row, row % 2 == 0 ? 1e308 : -1e308);
        if (how == 5) request.rows.set_real(column, row, std::numeric_limits<double>::infinity());
        if (how == 6) request.rows.set_real(column, row, kNoNumber);
        if (how == 7) request.rows.set_real(column, row, -number * 1e6);
        if (how == 8) request.rows.set_real(column, row, row % 5);
      }
    }
    RequestRows before{table::Batch(DoorStream::schema()), {}, {}, false, {}, 0};
    before.rows.reset(count);
    for (int column = 0; column < 6; ++column) before.rows.copy_column(column, request.rows, column);
    const std::vector<char> touched =
        door.pass(request, *columns, std::vector<char>(static_cast<std::size_t>(count), 0), 0);
    for (int row = 0; row < count; ++row) {
      for (int column = 0; column < 6 && !touched[static_cast<std::size_t>(row)]; ++column)
        RC_ASSERT(request.rows.cell_json(column, row).dump() == before.rows.cell_json(column, row).dump());
    }
  }
}

TEST(Door, ManyThreadsPassAtOnce) {
  Door door({"late", {}});
  const auto columns = door.expect(DoorStream::schema());
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 4; ++i) {
    threads.emplace_back([&door, columns, i] {
      DoorStream stream(i + 1);
      for (int round = 0; round < 60; ++round) {
        RequestRows request = stream.rows(round % 5 == 0 ? 100 : 7);
        if (round % 7 == 0) change(request, DoorStream::kFar, [](double x) { return x * 1000; });
        door.pass(request, *columns, std::vector<char>(static_cast<std::size_t>(request.rows.rows()), 0), 0);
        (void)door.view();
        if (round % 20 == 0) (void)door.expect(DoorStream::schema());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace trimtab::serve

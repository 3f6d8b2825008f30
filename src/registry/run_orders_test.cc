#include "registry/run_orders.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <random>
#include <rapidcheck/gtest.h>
#include <thread>

#include "registry/run_columns.h"
#include "registry/run_search.h"

namespace trimtab::registry {
namespace {

using Places = std::vector<std::uint32_t>;

// Enough runs that a page of a hundred is looked for at the front of an order.
constexpr std::int64_t kRuns = 2'000;
// The order is kept from then on.
constexpr int kSearches = 5;

class Runs {
 public:
  void add(std::int64_t start_ms) {
    RunRow row;
    row.number = columns_.size() + 1;
    // Not in the order of the places.
    row.info.id = std::to_string(row.number * 7'919 % 1'000) + "-" + std::to_string(row.number);
    row.info.experiment_id = row.number % 3;
    row.info.name = "name" + std::to_string(row.number % 5);
    row.info.start_ms = start_ms;
    columns_.add(row);
  }
  void log(std::uint32_t place, const std::string& key, double value) {
    columns_.add_points(place, {{key}, {{value, 1, ++step_, 0}}});
  }
  Places find(const RunSearch& search) const {
    return find_places(columns_, search, parse_search(search).value()).value();
  }
  // What the scan finds, which every page of more than a sixteenth of the runs is read from.
  Places scan(RunSearch search) const {
    const auto start = static_cast<std::size_t>(search.offset);
    const auto most = static_cast<std::size_t>(search.max_results) + 1;
    search.offset = 0;
    search.max_results = columns_.size();
    Places all = find(search);
    all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(std::min(start, all.size())));
    all.resize(std::min(most, all.size()));
    return all;
  }
  bool keep(const RunSearch& search) const {
    const std::vector<OrderTerm> order = parse_search(search).value().order;
    for (int i = 1; i < kSearches; ++i) columns_.orders().find(columns_, order);
    return columns_.orders().find(columns_, order) != nullptr;
  }
  RunColumns& columns() { return columns_; }

 private:
  RunColumns columns_;
  std::int64_t step_ = 0;
};

class RunOrdersTest : public testing::Test {
 protected:
  RunOrdersTest() {
    for (std::int64_t i = 0; i < kRuns; ++i) runs_.add(i / 3);
    search_.experiment_ids = {0, 1, 2};
    search_.order_by = {"metrics.loss DESC"};
    search_.max_results = 5;
  }
  // The first of the page, when all of it is as the scan has it.
  std::uint32_t first() const {
    const Places page = runs_.find(search_);
    EXPECT_EQ(page, runs_.scan(search_));
    return page.front();
  }

  Runs runs_;
  RunSearch search_;
};

TEST_F(RunOrdersTest, AnOrderIsKeptFromItsFifthSearchOn) {
  const std::vector<OrderTerm> order = parse_search(search_).value().order;
  RunOrders& orders = runs_.columns().orders();
  for (int i = 1; i < kSearches; ++i) EXPECT_EQ(orders.find(runs_.columns(), order), nullptr);
  EXPECT_NE(orders.find(runs_.columns(), order), nullptr);
}

TEST_F(RunOrdersTest, TheLastEightOrdersAreKept) {
  ASSERT_TRUE(runs_.keep(search_));
  RunSearch other = search_;
  for (int i = 0; i < 7; ++i) {
    other.order_by = {"params.p" + std::to_string(i)};
    EXPECT_TRUE(runs_.keep(other));
  }
  const std::vector<OrderTerm> order = parse_search(search_).value().order;
  EXPECT_NE(runs_.columns().orders().find(runs_.columns(), order), nullptr);
  for (int i = 0; i < 8; ++i) {
    other.order_by = {"tags.t" + std::to_string(i)};
    EXPECT_TRUE(runs_.keep(other));
  }
  EXPECT_EQ(runs_.columns().orders().find(runs_.columns(), order), nullptr);
}

TEST_F(RunOrdersTest, UrisAndEndlessOrdersAreNotKept) {
  search_.order_by = {"artifact_uri"};
  EXPECT_FALSE(runs_.keep(search_));
  search_.order_by = {"metrics." + std::string(2'000, 'x')};
  EXPECT_FALSE(runs_.keep(search_));
  search_.order_by = {"metrics.a", "metrics.b", "metrics.c", "metrics.d", "metrics.e"};
  EXPECT_FALSE(runs_.keep(search_));
}

TEST_F(RunOrdersTest, ALaterValueMovesARun) {
  for (std::uint32_t place = 0; place < 100; ++place) runs_.log(place, "loss", place);
  ASSERT_TRUE(runs_.keep(search_));
  EXPECT_EQ(first(), 99u);
  runs_.log(3, "loss", 1'000);
  EXPECT_EQ(first(), 3u);
  runs_.log(3, "loss", -1'000);
  EXPECT_EQ(first(), 99u);
}

TEST_F(RunOrdersTest, AKeyThatNoRunHadBeforeIsFollowed) {
  ASSERT_TRUE(runs_.keep(search_));
  runs_.log(7, "loss", 1);
  EXPECT_EQ(first(), 7u);
}

TEST_F(RunOrdersTest, NanComesAfterValuesAndBeforeNothing) {
  search_.max_results = 1;
  for (const char* direction : {"metrics.loss ASC", "metrics.loss DESC"}) {
    search_.order_by = {direction};
    ASSERT_TRUE(runs_.keep(search_));
  }
  runs_.log(5, "loss", std::nan(""));
  runs_.log(6, "loss", 1);
  for (const char* direction : {"metrics.loss ASC", "metrics.loss DESC"}) {
    search_.order_by = {direction};
    EXPECT_EQ(runs_.find(search_), (Places{6, 5}));
  }
}

TEST_F(RunOrdersTest, ANewRunComesFirstWhenItIsTheNewest) {
  search_.order_by = {};
  ASSERT_TRUE(runs_.keep(search_));
  runs_.add(1'000'000);
  EXPECT_EQ(first(), kRuns);
}

TEST_F(RunOrdersTest, ARemovedRunIsGone) {
  search_.order_by = {};
  ASSERT_TRUE(runs_.keep(search_));
  const std::uint32_t newest = first();
  runs_.columns().remove(newest);
  EXPECT_NE(first(), newest);
  // So are those that were removed before they were ever in order.
  runs_.add(1'000'000);
  runs_.columns().remove(kRuns);
  EXPECT_NE(first(), kRuns);
}

TEST_F(RunOrdersTest, ManyChangesAreMerged) {
  ASSERT_TRUE(runs_.keep(search_));
  for (std::uint32_t place = 0; place < 1'500; ++place) runs_.log(place, "loss", place * 7'919 % 1'000);
  for (search_.offset = 0; search_.offset < 100; search_.offset += 5) first();
  for (std::uint32_t place = 500; place < 900; ++place) runs_.log(place, "loss", 2'000 - place);
  for (search_.offset = 0; search_.offset < 100; search_.offset += 5) first();
}

TEST_F(RunOrdersTest, AFilterThatLeavesNothingAtTheFrontFindsWhatIsAtTheBack) {
  for (std::uint32_t place = 0; place < kRuns; ++place) runs_.log(place, "loss", place);
  search_.filter = "metrics.loss < 3";
  ASSERT_TRUE(runs_.keep(search_));
  EXPECT_EQ(runs_.find(search_), (Places{2, 1, 0}));
}

TEST_F(RunOrdersTest, SearchesBesideEachOtherFindTheSame) {
  for (std::uint32_t place = 0; place < kRuns; ++place) runs_.log(place, "loss", place * 7'919 % 1'000);
  const Places expected = runs_.scan(search_);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 3 * kSearches; ++k) EXPECT_EQ(runs_.find(search_), expected);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// What may happen and be asked, by a seed: to shrink it would say no more.
class Chance {
 public:
  explicit Chance(std::uint64_t seed) : random_(seed) {}
  int below(int bound) { return static_cast<int>(random_() % static_cast<std::uint64_t>(bound)); }
  bool one_in(int count) { return below(count) == 0; }
  template <class Item>
  Item of(std::initializer_list<Item> items) {
    return items.begin()[below(static_cast<int>(items.size()))];
  }
  std::string text() { return of<std::string>({"a", "b", "c"}); }

 private:
  std::mt19937_64 random_;
};

void change(Runs& runs, Chance& chance) {
  RunColumns& columns = runs.columns();
  const auto place = static_cast<std::uint32_t>(chance.below(static_cast<int>(columns.size())));
  const int what = chance.below(12);
  if (what == 0) return runs.add(chance.below(700));
  if (columns.run(place).id.empty()) return;
  switch (what) {
    case 1:
      return columns.remove(place);
    case 2:
      return columns.set_deleted(place, chance.one_in(2));
    case 3:
      return columns.set_status(place, static_cast<RunStatus>(chance.below(5)));
    case 4:
      return columns.set_end(place, chance.below(9));
    case 5:
      return columns.set_name(place, chance.text());
    case 6:
      return columns.set_param(place, chance.text(), chance.text());
    case 7:
    case 8:
      return columns.set_tag(place, chance.text(), chance.text());
    case 9:
      return columns.delete_tag(place, chance.text());
    default:
      return runs.log(place, chance.text(), chance.of({0.0, -0.0, 1.0, 2.0, 3.0, 1e300, std::nan("")}));
  }
}

RunSearch any_search(Chance& chance) {
  RunSearch search;
  search.experiment_ids = chance.of<std::vector<std::int64_t>>({{0, 1, 2}, {1}, {2, 0}});
  search.filter = chance.of<std::string>(
      {"", "metrics.a > 0", "metrics.a <= 1 or tags.b = 'a'", "status = 'RUNNING' and metrics.b != 2",
       "params.a is null", "(metrics.c = 1 or end_time > 3) and run_name like '%a%'", "tags.c ilike 'A%'"});
  search.order_by = chance.of<std::vector<std::string>>({{},
                                                         {"metrics.a"},
                                                         {"metrics.a DESC"},
                                                         {"start_time ASC"},
                                                         {"end_time DESC", "metrics.b"},
                                                         {"params.a"},
                                                         {"tags.b DESC"},
                                                         {"run_name", "status DESC", "run_id"}});
  search.with_active = !chance.one_in(5);
  search.with_deleted = chance.one_in(2);
  search.max_results = chance.below(60);
  search.offset = chance.of({0, 0, 1, 30, 60});
  return search;
}

RC_GTEST_PROP(RunOrders, AnyPageIsThatOfTheScan, ()) {
  Chance chance(*rc::gen::noShrink(rc::gen::arbitrary<std::uint64_t>()));
  Runs runs;
  for (std::int64_t i = 0; i < kRuns; ++i) {
    runs.add(i % 700);
    if (i % 3 != 0) runs.log(static_cast<std::uint32_t>(i), "a", static_cast<double>(i * 7'919 % 50));
    // So few that one change is seen on the page.
    if (i % 50 == 0) runs.columns().set_tag(static_cast<std::uint32_t>(i), "b", chance.text());
  }
  for (int round = 0; round < 10; ++round) {
    for (int left = chance.of({0, 1, 20, 400}); left > 0; --left) change(runs, chance);
    for (int i = 0; i < 4; ++i) {
      const RunSearch search = any_search(chance);
      RC_ASSERT(runs.keep(search));
      RC_ASSERT(runs.find(search) == runs.scan(search));
    }
  }
}

}  // namespace
}  // namespace trimtab::registry

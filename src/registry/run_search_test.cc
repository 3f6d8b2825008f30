#include "registry/run_search.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <gtest/gtest.h>
#include <limits>
#include <map>
#include <random>

namespace trimtab::registry {
namespace {

// A run the plain way, and the same run in the columns.
struct PlainRun {
  RunInfo info;
  std::map<std::string, double> metrics;
  std::map<std::string, std::string> params;
};

std::string number_text(std::uint64_t number) { return std::to_string(number % 4); }

class RunSearchTest : public testing::Test {
 protected:
  RunSearchTest() {
    // More runs than one block, and one metric that few of them have.
    for (std::int64_t number = 1; number <= 2'500; ++number) add(number);
  }

  void add(std::int64_t number) {
    PlainRun run;
    run.info.id = "run" + std::to_string(random_() % 1'000'000'000) + "-" + std::to_string(number);
    run.info.experiment_id = static_cast<std::int64_t>(random_() % 3);
    run.info.name = "name" + number_text(random_());
    run.info.user_id = "user" + number_text(random_());
    run.info.status = static_cast<RunStatus>(random_() % 5);
    run.info.is_deleted = random_() % 5 == 0;
    run.info.start_ms = static_cast<std::int64_t>(random_() % 50);
    if (random_() % 2 == 0) run.info.end_ms = static_cast<std::int64_t>(random_() % 50);
    for (const char* key : {"a", "b"}) {
      if (random_() % 4 != 0) run.metrics[key] = random_() % 9 == 0 ? std::nan("") : double(random_() % 10);
    }
    if (random_() % 200 == 0) run.metrics["rare"] = double(random_() % 10);
    for (const char* key : {"p", "q"}) {
      if (random_() % 3 != 0) run.params[key] = "v" + number_text(random_());
    }
    const std::uint32_t place = columns_.add({number, run.info});
    for (const auto& [key, value] : run.metrics) columns_.add_points(place, {{key}, {{value, 1, 1, 0}}});
    for (const auto& [key, value] : run.params) {
      columns_.set_param(place, key, value);
      columns_.set_tag(place, key, value);
    }
    runs_.push_back(std::move(run));
  }

  std::vector<std::string> find(const RunSearch& search) {
    Result<ParsedSearch> parsed = parse_search(search);
    CHECK(parsed.has_value());
    const std::vector<std::uint32_t> places = find_places(columns_, search, *parsed).value();
    std::vector<std::string> ids;
    for (const std::uint32_t place : places) ids.emplace_back(columns_.run(place).id);
    return ids;
  }

  std::mt19937_64 random_{11};
  RunColumns columns_;
  std::vector<PlainRun> runs_;
};

using Truth = std::function<bool(const PlainRun&)>;

// A comparison of some kind with what it means.
std::pair<std::string, Truth> random_term(std::mt19937_64& random) {
  const std::string metric = std::vector<std::string>{"a", "b", "rare", "none"}[random() % 4];
  const std::string param = std::vector<std::string>{"p", "q", "none"}[random() % 3];
  const std::string text = "v" + number_text(random());
  const double bound = double(random() % 10);
  const auto with_metric = [metric](auto holds) -> Truth {
    return [metric, holds](const PlainRun& run) {
      const auto found = run.metrics.find(metric);
      return found != run.metrics.end() && holds(found->second);
    };
  };
  const auto with_param = [param](auto holds) -> Truth {
    return [param, holds](const PlainRun& run) {
      const auto found = run.params.find(param);
      return found != run.params.end() && holds(found->second);
    };
  };
  const std::string number = std::to_string(static_cast<int>(bound));
  switch (random() % 9) {
    case 0:
      return {"metrics." + metric + " > " + number,
              with_metric([bound](double value) { return value > bound; })};
    case 1:
      return {"metrics." + metric + " <= " + number,
              with_metric([bound](double value) { return value <= bound; })};
    case 2:
      return {"metric.`" + metric + "` != " + number,
              with_metric([bound](double value) { return value != bound; })};
    case 3:
      return {"params." + param + " = '" + text + "'",
              with_param([text](const std::string& value) { return value == text; })};
    case 4:
      return {"tags." + param + " != \"" + text + "\"",
              with_param([text](const std::string& value) { return value != text; })};
    case 5:
      return {"params." + param + " ILIKE 'V%' ", with_param([](const std::string&) { return true; })};
    case 6:
      return {"tags." + param + " is null",
              [param](const PlainRun& run) { return !run.params.contains(param); }};
    case 7:
      return {"status = 'FAILED'", [](const PlainRun& run) { return run.info.status == RunStatus::failed; }};
    default:
      return {"end_time < " + number, [bound](const PlainRun& run) {
                return run.info.end_ms && static_cast<double>(*run.info.end_ms) < bound;
              }};
  }
}

std::pair<std::string, Truth> random_filter(std::mt19937_64& random, int depth) {
  if (depth == 0 || random() % 3 == 0) return random_term(random);
  auto left = random_filter(random, depth - 1);
  auto right = random_filter(random, depth - 1);
  if (random() % 2 == 0) {
    return {"(" + left.first + ") AND (" + right.first + ")",
            [a = left.second, b = right.second](const PlainRun& run) { return a(run) && b(run); }};
  }
  return {"(" + left.first + " or " + right.first + ")",
          [a = left.second, b = right.second](const PlainRun& run) { return a(run) || b(run); }};
}

TEST_F(RunSearchTest, AnyFilterFindsWhatItsMeaningSays) {
  for (int round = 0; round < 300; ++round) {
    const auto [filter, holds] = random_filter(random_, static_cast<int>(random_() % 4));
    RunSearch search;
    search.experiment_ids = {2, 0};
    search.filter = filter;
    search.with_active = random_() % 4 != 0;
    search.with_deleted = random_() % 4 == 0;
    search.max_results = 50'000;
    std::vector<std::string> expected;
    for (const PlainRun& run : runs_) {
      const bool is_asked =
          run.info.experiment_id != 1 && (run.info.is_deleted ? search.with_deleted : search.with_active);
      if (is_asked && holds(run)) expected.push_back(run.info.id);
    }
    std::vector<std::string> found = find(search);
    std::sort(found.begin(), found.end());
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(found, expected) << filter;
  }
}

TEST_F(RunSearchTest, NewestComeFirstAndThenById) {
  RunSearch search;
  search.experiment_ids = {0};
  std::vector<std::string> found = find(search);
  std::vector<const PlainRun*> sorted;
  for (const PlainRun& run : runs_) {
    if (run.info.experiment_id == 0 && !run.info.is_deleted) sorted.push_back(&run);
  }
  std::sort(sorted.begin(), sorted.end(), [](const PlainRun* a, const PlainRun* b) {
    if (a->info.start_ms != b->info.start_ms) return a->info.start_ms > b->info.start_ms;
    return a->info.id < b->info.id;
  });
  ASSERT_EQ(found.size(), sorted.size());
  for (std::size_t i = 0; i < sorted.size(); ++i) EXPECT_EQ(found[i], sorted[i]->info.id);
}

TEST_F(RunSearchTest, MissingMetricsComeLastAndNanBeforeThem) {
  for (const bool is_ascending : {true, false}) {
    RunSearch search;
    search.experiment_ids = {0, 1, 2};
    search.order_by = {is_ascending ? "metrics.a" : "metrics.a DESC"};
    search.max_results = 10'000;
    std::map<std::string, const PlainRun*> by_id;
    for (const PlainRun& run : runs_) by_id[run.info.id] = &run;
    std::vector<double> keys;
    for (const std::string& id : find(search)) {
      const auto& metrics = by_id[id]->metrics;
      const auto metric = metrics.find("a");
      const bool is_number = metric != metrics.end() && !std::isnan(metric->second);
      keys.push_back(metric == metrics.end() ? 200.0
                     : !is_number            ? 100.0
                     : is_ascending          ? metric->second
                                             : -metric->second);
    }
    EXPECT_TRUE(std::is_sorted(keys.begin(), keys.end()));
  }
}

TEST_F(RunSearchTest, PagesFollowEachOther) {
  RunSearch all;
  all.experiment_ids = {0, 1};
  all.order_by = {"params.p DESC", "attributes.run_name"};
  all.max_results = 100'000;
  const std::vector<std::string> whole = find(all);
  std::vector<std::string> paged;
  RunSearch page = all;
  page.max_results = 97;
  while (true) {
    std::vector<std::string> found = find(page);
    const bool has_more = found.size() > 97;
    if (has_more) found.pop_back();
    paged.insert(paged.end(), found.begin(), found.end());
    if (!has_more) break;
    page.offset += 97;
  }
  EXPECT_EQ(paged, whole);
  page.offset = 1'000'000;
  EXPECT_TRUE(find(page).empty());
}

}  // namespace
}  // namespace trimtab::registry

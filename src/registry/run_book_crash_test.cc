// What the book keeps through anything: random requests, random sealing and restarts against a plain model,
// and kill -9 in the middle of writing.
#include <algorithm>
#include <csignal>
#include <gtest/gtest.h>
#include <map>
#include <random>
#include <set>
#include <sys/wait.h>
#include <thread>
#include <tuple>
#include <unistd.h>

#include "registry/book_fixture_test.h"
#include "registry/record_check.h"

namespace trimtab::registry {
namespace {

using PointKey = std::tuple<std::int64_t, std::int64_t, double>;  // Timestamp, step, value.

// What a run should be.
struct ModelRun {
  std::map<std::string, std::set<PointKey>> points;
  std::map<std::string, std::string> params;
  std::map<std::string, std::string> tags;
  bool is_deleted = false;
};

class BookModelTest : public BookTest {
 protected:
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

  void step() {
    const std::uint64_t what = below(20);
    if (models_.empty() || what == 0) {
      models_[create()];
      return;
    }
    auto at = models_.begin();
    std::advance(at, below(models_.size()));
    auto& [id, model] = *at;
    if (what == 1) {
      ASSERT_TRUE(book_->seal_now());
    } else if (what == 2 && below(3) == 0) {
      reopen();
    } else if (what == 3) {
      model.is_deleted = below(2) == 0;
      ASSERT_TRUE(set_deleted(id, model.is_deleted));
    } else if (what == 4) {
      RunChange finish;
      finish.status = RunStatus::finished;
      EXPECT_EQ(change(id, finish).has_value(), !model.is_deleted);
    } else {
      log_something(id, model);
    }
  }

  void log_something(const std::string& id, ModelRun& model) {
    RunBatch batch;
    ModelRun after = model;
    for (std::uint64_t i = below(30); i > 0; --i) {
      const MetricPoint point{"m" + std::to_string(below(3)), double(below(3)),
                              static_cast<std::int64_t>(below(20)), static_cast<std::int64_t>(below(20))};
      after.points[point.key].insert({point.timestamp_ms, point.step, point.value});
      batch.metrics.push_back(point);
    }
    bool is_refused = model.is_deleted;
    if (below(2) == 0) {
      const KeyValue param{"p" + std::to_string(below(20)), std::to_string(below(2))};
      const auto [held, is_new] = after.params.emplace(param.key, param.value);
      is_refused = is_refused || (!is_new && held->second != param.value);
      batch.params.push_back(param);
    }
    if (below(2) == 0) {
      batch.tags.push_back({"t" + std::to_string(below(3)), std::to_string(below(100))});
      after.tags[batch.tags[0].key] = batch.tags[0].value;
    }
    EXPECT_EQ(log(id, batch).has_value(), !is_refused);
    if (!is_refused) model = after;
  }

  void compare() {
    for (const auto& [id, model] : models_) {
      const RunFacts run = book_->find(id).value();
      EXPECT_EQ(run.info.is_deleted, model.is_deleted);
      EXPECT_EQ(run.params.size(), model.params.size());
      for (const KeyValue& param : run.params) EXPECT_EQ(model.params.at(param.key), param.value);
      EXPECT_EQ(run.tags.size(), model.tags.size() + 1);
      ASSERT_EQ(run.metrics.size(), model.points.size());
      for (const MetricPoint& latest : run.metrics) compare_metric(id, latest, model.points.at(latest.key));
    }
  }

  void compare_metric(const std::string& id, const MetricPoint& latest, const std::set<PointKey>& expected) {
    std::vector<PointKey> read;
    for (const MetricPoint& point : history(id, latest.key)) {
      read.emplace_back(point.timestamp_ms, point.step, point.value);
    }
    EXPECT_EQ(read, std::vector<PointKey>(expected.begin(), expected.end()));
    const auto is_earlier = [](const PointKey& a, const PointKey& b) {
      return std::tuple(std::get<1>(a), std::get<0>(a), std::get<2>(a)) <
             std::tuple(std::get<1>(b), std::get<0>(b), std::get<2>(b));
    };
    const PointKey last = *std::max_element(expected.begin(), expected.end(), is_earlier);
    EXPECT_EQ(last, PointKey(latest.timestamp_ms, latest.step, latest.value));
  }

  std::mt19937_64 random_;
  std::map<std::string, ModelRun> models_;
};

TEST_F(BookModelTest, AnyRequestsSealsAndRestartsLeaveWhatTheRequestsSaid) {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    random_.seed(seed);
    for (int i = 0; i < 150; ++i) step();
    compare();
    reopen();
    compare();
  }
  std::vector<std::string> problems;
  ASSERT_TRUE(check_record(*home_, problems));
  EXPECT_EQ(problems, std::vector<std::string>());
}

struct Acknowledged {
  char run[32];
  std::int64_t step = 0;
};

// Logs one point after another from several threads, and tells each that is acknowledged, until it is killed.
[[noreturn]] void write_until_killed(const std::filesystem::path& folder, int told, int round) {
  const base::SystemClock clock;
  const auto home = store::Home::open(folder, clock).value();
  const auto book = RunBook::open(*home, clock).value();
  std::vector<std::thread> writers;
  for (int writer = 0; writer < 8; ++writer) {
    writers.emplace_back([&, writer] {
      std::promise<std::string> made;
      book->create({}, [&](Result<RunFacts> run) { made.set_value(run->info.id); });
      const std::string id = made.get_future().get();
      for (std::int64_t step = 0;; ++step) {
        RunBatch batch;
        batch.metrics = {{"m", double(step), round, step}, {"twin", double(step), round, step}};
        batch.params = {{"p" + std::to_string(step), "1"}};
        std::promise<void> done;
        book->log(id, batch, [&](Status) { done.set_value(); });
        done.get_future().wait();
        Acknowledged line{};
        std::copy(id.begin(), id.end(), line.run);
        line.step = step;
        if (::write(told, &line, sizeof line) != sizeof line) std::abort();
        if (step % 16 == 0 && writer == 0) static_cast<void>(book->seal_now());
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  std::abort();
}

std::vector<Acknowledged> kill_a_writer(const std::filesystem::path& folder, int round) {
  int ends[2];
  CHECK(::pipe(ends) == 0);
  const pid_t child = ::fork();
  if (child == 0) write_until_killed(folder, ends[1], round);
  ::close(ends[1]);
  std::vector<Acknowledged> lines;
  Acknowledged line;
  while (::read(ends[0], &line, sizeof line) == sizeof line) {
    lines.push_back(line);
    if (lines.size() == 150) ::kill(child, SIGKILL);
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  return lines;
}

TEST(RunBookCrash, WhatWasAcknowledgedSurvivesKill9AndNothingIsHalf) {
  const store::ScratchFolder scratch;
  const base::SystemClock clock;
  std::vector<Acknowledged> lines;
  for (int round = 0; round < 4; ++round) {
    for (const Acknowledged& line : kill_a_writer(scratch / "home", round)) lines.push_back(line);
    const auto home = store::Home::open(scratch / "home", clock).value();
    const auto book = RunBook::open(*home, clock).value();
    std::map<std::string, std::int64_t> greatest;
    for (const Acknowledged& line : lines) {
      std::int64_t& step = greatest[std::string(line.run, 32)];
      step = std::max(step, line.step);
    }
    for (const auto& [run, step] : greatest) {
      const std::size_t points = book->history(run, "m", 0, 0)->points.size();
      EXPECT_GT(points, static_cast<std::size_t>(step));
      // A request is there as a whole or not at all.
      EXPECT_EQ(book->history(run, "twin", 0, 0)->points.size(), points);
      EXPECT_EQ(book->find(run)->params.size(), points);
    }
    std::vector<std::string> problems;
    ASSERT_TRUE(check_record(*home, problems));
    EXPECT_EQ(problems, std::vector<std::string>());
  }
}

}  // namespace
}  // namespace trimtab::registry

#include "registry/run_book.h"

#include <chrono>
#include <cmath>
#include <fstream>
#include <gtest/gtest.h>
#include <latch>
#include <limits>
#include <thread>

#include "registry/book_fixture_test.h"
#include "registry/run_name.h"

namespace trimtab::registry {
namespace {

using RunBookTest = BookTest;

std::string message(const auto& result) { return result ? "" : result.error().message; }

TEST_F(RunBookTest, ARunIsWhatItsRequestsSaid) {
  NewRun fresh;
  fresh.name = "first";
  fresh.user_id = "ada";
  fresh.start_ms = 1'234;
  fresh.tags = {{"team", "risk"}};
  const RunFacts made = try_create(fresh).value();
  RunBatch batch;
  batch.metrics = {{"loss", 0.5, 10, 1}, {"loss", 0.25, 20, 2}, {"auc", 0.75, 0, 0}};
  batch.params = {{"depth", "6"}, {"alpha", "0.1"}};
  batch.tags = {{"team", "fraud"}};
  ASSERT_TRUE(log(made.info.id, batch));
  RunChange finish;
  finish.status = RunStatus::finished;
  finish.end_ms = 9'000;
  const RunFacts run = change(made.info.id, finish).value();
  EXPECT_EQ(run.info.name, "first");
  EXPECT_EQ(run.info.user_id, "ada");
  EXPECT_EQ(run.info.status, RunStatus::finished);
  EXPECT_EQ(run.info.end_ms, 9'000);
  EXPECT_EQ(run.info.artifact_uri, "mlflow-artifacts:/0/" + run.info.id + "/artifacts");
  ASSERT_EQ(run.metrics.size(), 2u);
  EXPECT_EQ(run.metrics[0].key, "auc");
  EXPECT_EQ(run.metrics[1].value, 0.25);
  EXPECT_EQ(run.params, (std::vector<KeyValue>{{"alpha", "0.1"}, {"depth", "6"}}));
  EXPECT_EQ(run.tags, (std::vector<KeyValue>{{"mlflow.runName", "first"}, {"team", "fraud"}}));
  EXPECT_EQ(book_->find_json(run.info.id).value(),
            R"({"run":{"info":{"run_uuid":")" + run.info.id +
                R"(","experiment_id":"0","run_name":"first","user_id":"ada","status":"FINISHED",)"
                R"("start_time":1234,"end_time":9000,"artifact_uri":"mlflow-artifacts:/0/)" +
                run.info.id + R"(/artifacts","lifecycle_stage":"active","run_id":")" + run.info.id +
                R"("},"data":{"metrics":[{"key":"auc","value":0.75,"timestamp":0,"step":0},)"
                R"({"key":"loss","value":0.25,"timestamp":20,"step":2}],)"
                R"("params":[{"key":"alpha","value":"0.1"},{"key":"depth","value":"6"}],)"
                R"("tags":[{"key":"mlflow.runName","value":"first"},{"key":"team","value":"fraud"}]},)"
                R"("inputs":{},"outputs":{}}})");
}

TEST_F(RunBookTest, ARunWithoutANameIsGivenOneThatItsTagRepeats) {
  const std::string id = create();
  EXPECT_EQ(book_->find(id)->info.name, run_name(id));
  ASSERT_TRUE(set_tag(id, "mlflow.runName", "renamed"));
  EXPECT_EQ(book_->find(id)->info.name, "renamed");
  RunChange rename;
  rename.name = "again";
  ASSERT_TRUE(change(id, rename));
  EXPECT_EQ(book_->find(id)->tags, (std::vector<KeyValue>{{"mlflow.runName", "again"}}));
  NewRun two_names;
  two_names.name = "a";
  two_names.tags = {{"mlflow.runName", "b"}};
  EXPECT_EQ(message(try_create(two_names)),
            "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values "
            "(run_name='a', mlflow.runName='b').");
}

TEST_F(RunBookTest, AParamKeepsItsFirstValue) {
  const std::string id = create();
  ASSERT_TRUE(log_param(id, "p", "1"));
  EXPECT_TRUE(log_param(id, "p", "1"));
  EXPECT_EQ(
      message(log_param(id, "p", "2")),
      "Changing param values is not allowed. Param with key='p' was already logged with value='1' for run "
      "ID='" +
          id + "'. Attempted logging new value '2'.");
  RunBatch batch;
  batch.params = {{"p", "it's"}, {"q", "1"}};
  batch.metrics = {{"m", 1, 1, 1}};
  EXPECT_EQ(
      message(log(id, batch)),
      "Changing param values is not allowed. Params were already logged='[{'key': 'p', 'old_value': '1', "
      "'new_value': \"it's\"}]' for run ID='" +
          id + "'.");
  // All or nothing.
  EXPECT_TRUE(book_->find(id)->metrics.empty());
  EXPECT_EQ(book_->find(id)->params.size(), 1u);
  EXPECT_TRUE(history(id, "m").empty());
}

TEST_F(RunBookTest, RefusalsAreMlflowsWords) {
  const std::string id = create();
  EXPECT_EQ(message(log_metric(std::string(32, '0'), {"m", 1, 1, 1})),
            "Run with id=" + std::string(32, '0') + " not found");
  EXPECT_EQ(message(log_metric("no/run", {"m", 1, 1, 1})), "Run with id=no/run not found");
  RunBatch nothing;
  EXPECT_EQ(message(log("no/run", nothing)), "Invalid value \"no/run\" for parameter 'run_id' supplied.");
  EXPECT_EQ(message(log_metric(id, {"a;b", 1, 1, 1})),
            "Invalid value \"a;b\" for parameter 'name' supplied: Names may only contain alphanumerics, "
            "underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/).");
  EXPECT_EQ(
      message(log_param(id, "../a", "1")),
      "Invalid value \"../a\" for parameter 'key' supplied: Names may be treated as files in certain cases, "
      "and must not resolve to other names when treated as such. This name would resolve to '../a'");
  EXPECT_EQ(
      message(log_metric(id, {"m", 1, -1, 1})),
      "Invalid value -1 for parameter 'timestamp' supplied: metric 'm' (value=1.0). Timestamp must be a "
      "nonnegative long (64-bit integer) ");
  EXPECT_EQ(message(log_metric(id, {std::string(251, 'k'), 1, 1, 1})),
            "'Metric name' exceeds the maximum length of 250 characters");
  EXPECT_EQ(message(log_param(id, std::string(251, 'k'), "1")),
            "'Param key' exceeds the maximum length of 250 characters");
  EXPECT_EQ(message(set_tag(id, std::string(251, 'k'), "1")),
            "'key' exceeds the maximum length of 250 characters");
  RunBatch batch;
  batch.metrics.assign(1'001, {"m", 1, 1, 1});
  EXPECT_EQ(
      message(log(id, batch)),
      "A batch logging request can contain at most 1000 metrics. Got 1001 metrics. Please split up metrics "
      "across multiple requests and try again.");
  batch = {};
  batch.params = {{"a", "1"}, {"a", "1"}};
  EXPECT_EQ(
      message(log(id, batch)),
      "Duplicate parameter keys have been submitted: ['a']. Please ensure the request contains only one "
      "param value per param key.");
  batch = {};
  batch.tags = {{"a", "1"}, {"", "1"}};
  EXPECT_EQ(
      message(log(id, batch)),
      "Invalid value \"\" for parameter 'tags[1].key' supplied: Names may be treated as files in certain "
      "cases, and must not resolve to other names when treated as such. This name would resolve to '.'");
  EXPECT_EQ(message(create_experiment("")), "Invalid experiment name: ''");
  NewRun lost;
  lost.experiment_id = 77;
  EXPECT_EQ(message(try_create(lost)), "No Experiment with id=77 exists");
  EXPECT_EQ(message(book_->find("none")), "Run with id=none not found");
  EXPECT_EQ(message(book_->history("none", "m", 0, 0)), "Run with id=none not found");
  EXPECT_EQ(message(wait<void>([&](auto done) { book_->delete_tag(id, "gone", done); })),
            "No tag with name: gone in run with id " + id);
}

TEST_F(RunBookTest, LongValuesAreCutAsMlflowsServerCutsThem) {
  const std::string id = create();
  ASSERT_TRUE(log_param(id, "p", std::string(6'001, 'x')));
  std::string umlauts;
  for (int i = 0; i < 8'001; ++i) umlauts += "ü";
  ASSERT_TRUE(set_tag(id, "t", umlauts));
  EXPECT_EQ(book_->find(id)->params[0].value, std::string(6'000, 'x'));
  EXPECT_EQ(book_->find(id)->tags[1].value.size(), 16'000u);
}

TEST_F(RunBookTest, TheLatestPointIsTheGreatestOfStepTimeAndValue) {
  const std::string id = create();
  for (const MetricPoint& point : std::vector<MetricPoint>{
           {"m", 1, 50, 2}, {"m", 9, 90, 1}, {"m", 3, 60, 2}, {"m", 2, 60, 2}, {"m", 7, 10, 0}}) {
    ASSERT_TRUE(log_metric(id, point));
  }
  const MetricPoint latest = book_->find(id)->metrics.at(0);
  EXPECT_EQ(latest.value, 3);
  EXPECT_EQ(latest.timestamp_ms, 60);
  std::vector<double> values;
  for (const MetricPoint& point : history(id, "m")) values.push_back(point.value);
  EXPECT_EQ(values, (std::vector<double>{7, 1, 2, 3, 9}));
}

TEST_F(RunBookTest, NanIsKeptAndInfinityIsTheLargestNumber) {
  const std::string id = create();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  ASSERT_TRUE(log_metric(id, {"nan", std::nan(""), 1, 1}));
  ASSERT_TRUE(log_metric(id, {"big", kInfinity, 1, 1}));
  ASSERT_TRUE(log_metric(id, {"small", -kInfinity, 1, 1}));
  for (int round = 0; round < 2; ++round) {
    const RunFacts run = book_->find(id).value();
    EXPECT_EQ(run.metrics[0].value, 1.7976931348623157e308);
    EXPECT_TRUE(std::isnan(run.metrics[1].value));
    EXPECT_EQ(run.metrics[2].value, -1.7976931348623157e308);
    EXPECT_NE(book_->find_json(id)->find(R"("value":"NaN")"), std::string::npos);
    ASSERT_TRUE(book_->seal_now());
    reopen();
  }
}

TEST_F(RunBookTest, ARequestThatIsSentAgainChangesNothing) {
  const std::string id = create();
  RunBatch batch;
  for (int step = 0; step < 100; ++step) batch.metrics.push_back({"m", step * 0.5, step, step});
  ASSERT_TRUE(log(id, batch));
  ASSERT_TRUE(log(id, batch));
  EXPECT_EQ(history(id, "m").size(), 100u);
  ASSERT_TRUE(book_->seal_now());
  ASSERT_TRUE(log(id, batch));
  EXPECT_EQ(history(id, "m").size(), 100u);
  ASSERT_TRUE(book_->seal_now());
  EXPECT_EQ(history(id, "m").size(), 100u);
}

TEST_F(RunBookTest, AHistoryComesInPages) {
  const std::string id = create();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(log_metric(id, {"m", double(i), i, i}));
  const HistoryPage first = book_->history(id, "m", 2, 0).value();
  EXPECT_TRUE(first.has_more);
  const HistoryPage last = book_->history(id, "m", 2, 4).value();
  ASSERT_EQ(last.points.size(), 1u);
  EXPECT_EQ(last.points[0].value, 4);
  EXPECT_FALSE(last.has_more);
  EXPECT_TRUE(book_->history(id, "other", 2, 0)->points.empty());
}

TEST_F(RunBookTest, ASampleKeepsTheLeastAndTheGreatestOfEachStretch) {
  const std::string id = create();
  RunBatch batch;
  for (int step = 0; step < 1'000; ++step)
    batch.metrics.push_back({"m", step == 333 ? 100.0 : 1.0, step, step});
  ASSERT_TRUE(log(id, batch));
  const std::vector<MetricPoint> sampled = book_->sampled_history(id, "m", 20).value();
  EXPECT_LE(sampled.size(), 20u);
  EXPECT_TRUE(
      std::any_of(sampled.begin(), sampled.end(), [](const auto& point) { return point.value == 100; }));
  EXPECT_EQ(book_->sampled_history(id, "m", 1'000)->size(), 1'000u);
  EXPECT_EQ(message(book_->sampled_history(id, "m", 1)), "max_points must be 2 or more");
}

TEST_F(RunBookTest, ADeletedRunIsReadAndNotWritten) {
  const std::string id = create();
  ASSERT_TRUE(set_deleted(id, true));
  EXPECT_TRUE(book_->find(id)->info.is_deleted);
  EXPECT_EQ(message(log_metric(id, {"m", 1, 1, 1})),
            "The run " + id + " must be in the 'active' state. Current state is deleted.");
  EXPECT_FALSE(change(id, {}));
  reopen();
  EXPECT_TRUE(book_->find(id)->info.is_deleted);
  ASSERT_TRUE(set_deleted(id, false));
  EXPECT_TRUE(log_metric(id, {"m", 1, 1, 1}));
}

TEST_F(RunBookTest, AnExperimentTakesItsRunsWithIt) {
  const std::int64_t experiment = create_experiment("risk", "s3://bucket/risk").value();
  const std::string id = create(experiment);
  EXPECT_EQ(book_->find(id)->info.artifact_uri, "s3://bucket/risk/" + id + "/artifacts");
  ASSERT_TRUE(set_experiment_deleted(experiment, true));
  EXPECT_TRUE(book_->find(id)->info.is_deleted);
  NewRun late;
  late.experiment_id = experiment;
  EXPECT_EQ(message(try_create(late)), "The experiment " + std::to_string(experiment) +
                                           " must be in the 'active' state. Current state is deleted.");
  ASSERT_TRUE(set_experiment_deleted(experiment, false));
  EXPECT_FALSE(book_->find(id)->info.is_deleted);
}

TEST_F(RunBookTest, InputsAndOutputsAreKeptOnce) {
  const std::string id = create();
  const DatasetInput data{"flights", "d1", "local", "{}", "", "", {{"mlflow.data.context", "train"}}};
  const auto add = [&](DatasetInput input, std::vector<ModelLink> models) {
    return wait<void>([&](auto done) { book_->add_inputs(id, {input}, models, done); });
  };
  ASSERT_TRUE(add(data, {{"m-1", 0}}));
  ASSERT_TRUE(add(data, {{"m-1", 0}}));
  ASSERT_TRUE(wait<void>([&](auto done) { book_->add_outputs(id, {{"m-2", 7}}, done); }));
  for (int round = 0; round < 2; ++round) {
    const RunFacts run = book_->find(id).value();
    ASSERT_EQ(run.dataset_inputs.size(), 1u);
    EXPECT_EQ(run.dataset_inputs[0].tags[0].value, "train");
    EXPECT_EQ(run.model_inputs.size(), 1u);
    EXPECT_EQ(run.model_outputs.at(0).step, 7);
    EXPECT_NE(book_->find_json(id)->find(
                  R"("inputs":{"dataset_inputs":[{"tags":[{"key":"mlflow.data.context","value":"train"}],)"
                  R"("dataset":{"name":"flights","digest":"d1","source_type":"local","source":"{}"}}],)"
                  R"("model_inputs":[{"model_id":"m-1"}]},)"
                  R"("outputs":{"model_outputs":[{"model_id":"m-2","step":7}]})"),
              std::string::npos);
    reopen();
  }
  DatasetInput wide = data;
  wide.digest = std::string(37, 'd');
  EXPECT_EQ(message(add(wide, {})), "'digest' exceeds the maximum length of 36 characters");
}

TEST_F(RunBookTest, WhatWasAcknowledgedIsThereAfterARestart) {
  const std::string id = create();
  ASSERT_TRUE(log_metric(id, {"m", 0.1, 1, 1}));
  ASSERT_TRUE(book_->seal_now());
  ASSERT_TRUE(log_metric(id, {"m", 0.2, 2, 2}));
  ASSERT_TRUE(log_param(id, "p", "1"));
  const std::string before = book_->find_json(id).value();
  reopen();
  EXPECT_EQ(book_->find_json(id).value(), before);
  EXPECT_EQ(history(id, "m").size(), 2u);
}

TEST_F(RunBookTest, WhatHasEndedOrIsQuietIsSealedByItself) {
  const auto wait_for_empty_journal = [&] {
    for (std::int64_t rows = 1; rows > 0; std::this_thread::sleep_for(std::chrono::milliseconds(20))) {
      ASSERT_TRUE(home_->database().read([&](store::Connection& connection) -> Status {
        store::Statement row = connection.prepare("SELECT count(*) FROM metric_journal");
        TRY(row.step());
        rows = row.integer(0);
        return {};
      }));
    }
  };
  const std::string quiet = create();
  const std::string ended = create();
  ASSERT_TRUE(log_metric(quiet, {"m", 1, 1, 1}));
  ASSERT_TRUE(log_metric(ended, {"m", 1, 1, 1}));
  clock_.advance_to(clock_.now() + 2 * base::kMinuteUs);
  RunChange finish;
  finish.status = RunStatus::finished;
  ASSERT_TRUE(change(ended, finish));
  wait_for_empty_journal();
  EXPECT_EQ(history(quiet, "m").size(), 1u);
  // A tail of very many points is sealed while its run goes on.
  for (int request = 0; request < 10; ++request) {
    RunBatch batch;
    for (int i = 0; i < 1'000; ++i) batch.metrics.push_back({"long", i * 0.1, request, i});
    ASSERT_TRUE(log(quiet, batch));
  }
  clock_.advance_to(clock_.now() + 2 * base::kMinuteUs);
  ASSERT_TRUE(log_metric(ended, {"m", 2, 2, 2}));
  wait_for_empty_journal();
  EXPECT_EQ(history(quiet, "long").size(), 10'000u);
}

// Of this process, without the pages of files.
double resident_mb() {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("RssAnon:")) return std::stod(line.substr(8)) / 1'000;
  }
  return 0;
}

TEST_F(RunBookTest, TheMemoryOfWhatIsSealedIsGivenBack) {
  constexpr int kRuns = 6'000;
  constexpr int kPoints = 100;
  std::latch created(kRuns);
  std::vector<std::string> runs(kRuns);
  for (std::string& run : runs) {
    book_->create({}, [&](const Result<RunFacts>& made) {
      run = made.value().info.id;
      created.count_down();
    });
  }
  created.wait();
  const double before = resident_mb();
  RunBatch batch;
  for (int i = 0; i < kPoints; ++i) batch.metrics.push_back({"m" + std::to_string(i % 4), i * 0.1, i, i});
  std::latch logged(kRuns);
  for (const std::string& run : runs) {
    book_->log(run, batch, [&](const Status& status) {
      EXPECT_TRUE(status);
      logged.count_down();
    });
  }
  logged.wait();
  const double full = resident_mb();
  ASSERT_TRUE(book_->seal_now());
  const double sealed = resident_mb();
  EXPECT_GT(full - before, 20) << "or this proves nothing";
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // Their allocators keep what is freed.
  EXPECT_LT(sealed - before, (full - before) / 2) << before << " MB, " << full << " MB, " << sealed << " MB";
#endif
  EXPECT_EQ(history(runs.back(), "m0").size(), 25u);
}

TEST_F(RunBookTest, SixtyFourWritersLoseNothing) {
  std::vector<std::string> runs;
  for (int i = 0; i < 8; ++i) runs.push_back(create());
  std::vector<std::thread> writers;
  for (int writer = 0; writer < 64; ++writer) {
    writers.emplace_back([&, writer] {
      for (int i = 0; i < 10; ++i) {
        const std::string& run = runs[static_cast<std::size_t>(writer % 8)];
        EXPECT_TRUE(log_metric(run, {"m" + std::to_string(i % 2), double(writer), i, writer}));
        EXPECT_TRUE(book_->find_json(run));
      }
      if (writer % 16 != 0) return;
      EXPECT_TRUE(book_->seal_now());
    });
  }
  for (std::thread& writer : writers) writer.join();
  for (int round = 0; round < 2; ++round) {
    std::size_t points = 0;
    for (const std::string& run : runs) points += history(run, "m0").size() + history(run, "m1").size();
    EXPECT_EQ(points, 640u);
    reopen();
  }
}

}  // namespace
}  // namespace trimtab::registry

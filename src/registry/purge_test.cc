#include "registry/purge.h"

#include <atomic>
#include <gtest/gtest.h>
#include <thread>

#include "registry/artifacts.h"
#include "registry/book_fixture_test.h"
#include "registry/logged_models.h"
#include "registry/model_versions.h"
#include "registry/record_check.h"
#include "registry/registered_models.h"
#include "store/audit.h"
#include "store/fsck.h"

namespace trimtab::registry {
namespace {

class PurgeTest : public BookTest {
 protected:
  PurgeReport purge(TimeUs before, bool dry_run = false) {
    const Result<PurgeReport> report = purge_deleted(*home_, clock_, before, "test", dry_run);
    CHECK(report.has_value());
    return *report;
  }
  PurgeReport purge_all() { return purge(clock_.now()); }
  std::int64_t count(const std::string& table) {
    std::int64_t rows = 0;
    EXPECT_TRUE(home_->database().read([&](store::Connection& connection) -> Status {
      store::Statement row = connection.prepare("SELECT count(*) FROM " + table);
      TRY(row.step());
      rows = row.integer(0);
      return {};
    }));
    return rows;
  }
  void put_file(const std::string& root) {
    ArtifactFile file{home_->blobs().put(root).value(), 10};
    EXPECT_TRUE(wait<bool>([&](auto done) { put_artifact(*home_, {root, "a.txt"}, file, done); }));
  }
  std::string full_run(std::int64_t experiment) {
    const std::string run = create(experiment);
    EXPECT_TRUE(log_metric(run, {"loss", 0.5, 1, 1}));
    EXPECT_TRUE(log_param(run, "p", "1"));
    EXPECT_TRUE(set_tag(run, "t", "1"));
    EXPECT_TRUE(wait<void>([&](auto done) {
      book_->add_inputs(run, {{"d", "digest", "local", "x", "", "", {}}}, {{"m-1", 0}}, done);
    }));
    put_file("run/" + run);
    return run;
  }
  std::vector<std::string> problems() {
    store::FsckReport report;
    store::check_store(*home_, report);
    EXPECT_TRUE(check_record(*home_, report.problems));
    return report.problems;
  }
  RegistryWriter by() { return {*home_, clock_}; }
  void make_version(const std::string& run) {
    EXPECT_TRUE(wait<RegisteredModel>([&](auto done) { create_model(by(), {"m", "", {}}, done); }));
    NewModelVersion version;
    version.model = "m";
    version.source = "runs:/" + run + "/model";
    version.run_id = run;
    const auto made = wait<ModelVersion>([&](auto done) { create_version(by(), version, done); });
    EXPECT_TRUE(made) << made.error().message;
  }
};

TEST_F(PurgeTest, ARunGoesWithAllThatBelongsToIt) {
  const std::string stays = full_run(0);
  const std::string goes = full_run(0);
  EXPECT_TRUE(book_->seal_now());
  EXPECT_TRUE(log_metric(goes, {"late", 1, 2, 2}));  // Still in the journal.
  EXPECT_TRUE(set_deleted(goes, true));
  const PurgeReport report = purge_all();
  EXPECT_EQ(report.runs, 1);
  EXPECT_EQ(report.metric_points, 2);
  EXPECT_EQ(report.files, 1);
  EXPECT_EQ(report.file_bytes, 10u);
  for (const char* table :
       {"run", "run_param", "metric_block", "metric_summary", "artifact", "run_dataset"}) {
    EXPECT_EQ(count(table), 1) << table;
  }
  EXPECT_EQ(count("metric_journal"), 0);
  EXPECT_EQ(book_->find(goes).error().message, "Run with id=" + goes + " not found");
  EXPECT_TRUE(book_->find(stays));
  EXPECT_EQ(book_->search({{0}, "", {}, true, true})->runs.size(), 1u);
  EXPECT_EQ(book_->search({{0}, "metrics.loss > 0", {}, true, true})->runs.size(), 1u);
  EXPECT_TRUE(book_->seal_now());
  reopen();
  EXPECT_FALSE(book_->find(goes));
  EXPECT_EQ(problems(), std::vector<std::string>());
}

TEST_F(PurgeTest, WhatWasDeletedLaterStays) {
  const std::string run = create();
  EXPECT_TRUE(set_deleted(run, true));
  EXPECT_EQ(purge(clock_.now() - base::kDayUs).runs, 0);
  EXPECT_TRUE(book_->find(run));
}

TEST_F(PurgeTest, ANumberIsNeverGivenTwice) {
  const std::int64_t experiment = create_experiment("x").value();
  const std::string first = create(experiment);
  EXPECT_TRUE(set_experiment_deleted(experiment, true));
  EXPECT_EQ(purge_all().experiments, 1);
  EXPECT_EQ(create_experiment("x").value(), experiment + 1);
  const std::string second = create(experiment + 1);
  EXPECT_TRUE(log_metric(second, {"loss", 0.5, 1, 1}));
  EXPECT_TRUE(home_->database().read([&](store::Connection& connection) -> Status {
    store::Statement row = connection.prepare("SELECT number FROM run");
    TRY(row.step());
    EXPECT_EQ(row.integer(0), 2);
    return {};
  }));
  EXPECT_EQ(history(second, "loss").size(), 1u);
}

TEST_F(PurgeTest, AnExperimentGoesWithItsRunsAndItsNameIsFree) {
  const std::int64_t id = create_experiment("once more").value();
  full_run(id);
  EXPECT_TRUE(set_experiment_deleted(id, true));
  EXPECT_EQ(create_experiment("once more").error().code, ErrorCode::already_exists);
  const PurgeReport report = purge_all();
  EXPECT_EQ(report.experiments, 1);
  EXPECT_EQ(report.runs, 1);
  EXPECT_EQ(count("logged_dataset"), 0);
  EXPECT_TRUE(create_experiment("once more"));
}

TEST_F(PurgeTest, TheFirstExperimentStays) {
  EXPECT_TRUE(set_experiment_deleted(0, true));
  EXPECT_EQ(purge_all().experiments, 0);
}

TEST_F(PurgeTest, WhatAVersionInUseCameFromStays) {
  const std::int64_t id = create_experiment("x").value();
  const std::string run = full_run(id);
  put_file("run/" + run);
  make_version(run);
  EXPECT_TRUE(set_experiment_deleted(id, true));
  const PurgeReport report = purge_all();
  EXPECT_EQ(report.runs, 0);
  EXPECT_EQ(report.experiments, 0);
  EXPECT_EQ(report.kept, (std::vector<std::string>{"1 run: versions that are in use came from there",
                                                   "experiment 'x': 1 run or logged model in it must stay"}));
  EXPECT_TRUE(wait<bool>([&](auto done) { delete_version(by(), "m", 1, done); }));
  EXPECT_EQ(purge_all().runs, 1);
}

TEST_F(PurgeTest, ADeletedVersionKeepsItsNumber) {
  const std::string run = create();
  make_version(run);
  EXPECT_TRUE(wait<bool>([&](auto done) { set_version_tag(by(), "m", 1, {"k", "v"}, done); }));
  EXPECT_TRUE(wait<bool>([&](auto done) { delete_version(by(), "m", 1, done); }));
  EXPECT_EQ(purge_all().versions, 1);
  EXPECT_EQ(purge_all().versions, 0);
  EXPECT_EQ(count("model_version_tag"), 0);
  NewModelVersion next;
  next.model = "m";
  next.source = "runs:/" + run + "/model";
  next.run_id = run;
  EXPECT_EQ(wait<ModelVersion>([&](auto done) { create_version(by(), next, done); })->version, 2);
}

TEST_F(PurgeTest, ALoggedModelGoesWithItsFiles) {
  NewLoggedModel wish;
  wish.experiment_location = "mlflow-artifacts:/0";
  wish.params = {{"depth", "3"}};
  const std::string id = wait<LoggedModel>([&](auto done) { create_logged_model(by(), wish, done); })->id;
  put_file("logged_model/" + id);
  EXPECT_TRUE(wait<bool>([&](auto done) { delete_logged_model(by(), id, done); }));
  const PurgeReport report = purge_all();
  EXPECT_EQ(report.logged_models, 1);
  EXPECT_EQ(report.files, 1);
  EXPECT_EQ(count("logged_model"), 0);
  EXPECT_EQ(count("logged_model_param"), 0);
  EXPECT_EQ(count("artifact"), 0);
}

TEST_F(PurgeTest, ADryRunCountsAndRemovesNothing) {
  const std::string run = full_run(0);
  EXPECT_TRUE(set_deleted(run, true));
  const PurgeReport report = purge(clock_.now(), true);
  EXPECT_EQ(report.runs, 1);
  EXPECT_EQ(report.roots, std::set<std::string>{"run/" + run});
  EXPECT_TRUE(book_->find(run));
  EXPECT_TRUE(set_deleted(run, false));
  EXPECT_EQ(purge_all().runs, 0);
}

TEST_F(PurgeTest, ManyRunsGoWhileOthersWrite) {
  for (int i = 0; i < 250; ++i) EXPECT_TRUE(set_deleted(create(), true));
  const std::string living = create();
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) EXPECT_TRUE(log_metric(living, {"loss", double(i), i, i}));
  });
  EXPECT_EQ(purge_all().runs, 250);
  stop = true;
  writer.join();
  EXPECT_EQ(count("run"), 1);
  EXPECT_EQ(problems(), std::vector<std::string>());
}

}  // namespace
}  // namespace trimtab::registry

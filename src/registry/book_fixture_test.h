// A home with a book of runs, and calls that wait: for the tests of this room.
#pragma once

#include <future>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "registry/experiments.h"
#include "registry/run_book.h"
#include "store/home.h"
#include "store/scratch_folder.h"

namespace trimtab::registry {

class BookTest : public testing::Test {
 protected:
  BookTest() { open(); }

  void open() {
    Result<std::unique_ptr<store::Home>> home = store::Home::open(scratch_ / "home", clock_);
    CHECK(home.has_value());
    home_ = *std::move(home);
    Result<std::unique_ptr<RunBook>> book = RunBook::open(*home_, clock_);
    CHECK(book.has_value());
    book_ = *std::move(book);
  }
  void close() {
    book_.reset();
    home_.reset();
  }
  void reopen() {
    close();
    open();
  }

  // Calls `start` with something to be told, and waits until it is told.
  template <class T, class Start>
  static Result<T> wait(const Start& start) {
    std::promise<Result<T>> told;
    start([&](Result<T> result) { told.set_value(std::move(result)); });
    return told.get_future().get();
  }

  Result<RunFacts> try_create(NewRun run) {
    return wait<RunFacts>([&](auto done) { book_->create(std::move(run), done); });
  }
  std::string create(std::int64_t experiment = 0, std::int64_t start_ms = 1'000) {
    NewRun run;
    run.experiment_id = experiment;
    run.start_ms = start_ms;
    return try_create(std::move(run)).value().info.id;
  }
  Status log(const std::string& run, RunBatch batch) {
    return wait<void>([&](auto done) { book_->log(run, std::move(batch), done); });
  }
  Status log_metric(const std::string& run, MetricPoint point) {
    RunBatch batch;
    batch.metrics.push_back(std::move(point));
    batch.is_single = true;
    return log(run, std::move(batch));
  }
  Status log_param(const std::string& run, const std::string& key, const std::string& value) {
    RunBatch batch;
    batch.params.push_back({key, value});
    batch.is_single = true;
    return log(run, std::move(batch));
  }
  Status set_tag(const std::string& run, const std::string& key, const std::string& value) {
    RunBatch batch;
    batch.tags.push_back({key, value});
    batch.is_single = true;
    return log(run, std::move(batch));
  }
  Result<RunFacts> change(const std::string& run, RunChange change) {
    return wait<RunFacts>([&](auto done) { book_->change(run, std::move(change), done); });
  }
  Status set_deleted(const std::string& run, bool deleted) {
    return wait<void>([&](auto done) { book_->set_deleted(run, deleted, done); });
  }
  RegistryWriter by() { return {*home_, clock_, "anna"}; }
  Result<std::int64_t> create_experiment(const std::string& name, const std::string& location = "") {
    return wait<std::int64_t>(
        [&](auto done) { registry::create_experiment(by(), name, location, {}, done); });
  }
  Status set_experiment_deleted(std::int64_t id, bool deleted) {
    return wait<void>([&](auto done) { registry::set_experiment_deleted(by(), id, deleted, done); });
  }
  std::vector<MetricPoint> history(const std::string& run, const std::string& key) {
    Result<HistoryPage> page = book_->history(run, key, 0, 0);
    CHECK(page.has_value());
    return std::move(page->points);
  }

  base::ManualClock clock_{base::kDayUs};
  store::ScratchFolder scratch_;
  std::unique_ptr<store::Home> home_;
  std::unique_ptr<RunBook> book_;
};

}  // namespace trimtab::registry

// For tests of the rooms that run steps: a project of four days of bus trips with hourly weather, a home, and
// an executor whose workers are real processes. Everything in it is made here, so that its bytes never
// change.
#pragma once

#include <algorithm>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/hash.h"
#include "flow/executor.h"
#include "flow/pipeline.h"
#include "flow/worker_program_test.h"
#include "project/load.h"
#include "store/home.h"
#include "store/scratch_folder.h"
#include "table/engine.h"

namespace trimtab::flow {

// Remembers which steps really ran, in words: "clean rides: data/trips/2020-01-02.csv".
class StepNotes final : public ProgressListener {
 public:
  void started(const Task& task) override { started_.push_back(task.label); }
  void finished(const Task& task, const TaskResult& result) override {
    if (result.pending) pending_.push_back(task.label + ": " + result.why);
  }
  void failed(const Task& task, const Error& error) override {
    failed_.push_back(task.label + ": " + error.message);
  }

  // What ran since the last call, sorted: workers side by side start in any order.
  std::vector<std::string> take_started() {
    std::sort(started_.begin(), started_.end());
    return std::exchange(started_, {});
  }
  std::vector<std::string> take_pending() { return std::exchange(pending_, {}); }
  std::vector<std::string> take_failed() { return std::exchange(failed_, {}); }

 private:
  std::vector<std::string> started_, pending_, failed_;
};

inline constexpr const char* kTripsProject = R"(project: trips
as_of: 2020-01-06
sources:
  trips: {read: data/trips/*.csv, nulls: ["", NA], time: departs}
  weather: {read: data/weather/*.csv, time: hour}
tables:
  rides:
    from: trips
    clean:
      - text: {town: [trim, upper]}
      - join: {with: weather, on: {town: town}, as_of: hour, max_age: 3h, select: [temp]}
      - derive: {far: km > 20}
      - drop_duplicates: {by: [departs, town]}
    checks:
      - not_null: [town]
      - between: {km: [0, 100]}
      - unique: [departs, town]
      - rows: {at_least: 10}
models:
  late:
    from: rides
    task: binary
    target: minutes >= 30
    label_delay: 1h
    features: [town, km, temp, far, hour: hour(departs)]
    split: {by: time, test: 25%}
    learner: {lightgbm: {rounds: 5, leaves: 4, min_data_in_leaf: 2}}
    gates: [auc >= 0.1, ece <= 0.9]
endpoints:
  late:
    model: late
    batch: 1d
)";

class SmallWorld {
 public:
  static constexpr int kDays = 4;

  explicit SmallWorld(bool dry_run = false)
      : home(store::Home::open(folder / "home", clock).value()), project(read_project(kTripsProject)) {
    for (int day = 1; day <= kDays; ++day) add_day(day);
    table::EngineOptions engine_options;
    engine_options.folders_allowed = {project_folder().string(), home->blobs().folder().string()};
    engine = table::Engine::open(engine_options).value();
    executor = std::make_unique<Executor>(*home, clock, options(dry_run));
  }

  std::filesystem::path project_folder() const { return folder / "project"; }

  ExecutorOptions options(bool dry_run = false) const {
    ExecutorOptions options;
    options.program = worker_program();
    options.workers = 2;
    options.dry_run = dry_run;
    options.folders_allowed = {project_folder().string()};
    return options;
  }

  project::Project read_project(const std::string& text) const {
    Result<project::Project> read = project::parse(text, "trimtab.yaml", project_folder());
    if (!read) ADD_FAILURE() << base::render(read.error());
    return std::move(*read);
  }

  // Puts `to` in the place of `from` in the project file.
  void declare(const std::string& from, const std::string& to) {
    std::string text = project.text;
    const std::size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    project = read_project(text.replace(at, from.size(), to));
  }

  Candidate train(const TrainingRequest& request) {
    Result<Candidate> candidate = pipeline()->train(request, notes);
    if (!candidate) ADD_FAILURE() << base::render(candidate.error());
    return candidate ? std::move(*candidate) : Candidate{};
  }

  static std::string name_of_day(int day) { return "2020-01-0" + std::to_string(day) + ".csv"; }

  // A trip every half hour. `extra`: added to each trip's kilometres.
  static std::string trips_of_day(int day, int extra = 0) {
    const char* towns[] = {"north", "south ", "West"};
    std::string text = "departs,town,km,minutes\n";
    for (int trip = 0; trip < 48; ++trip) {
      const int km = (trip * 7 + day * 5) % 40 + extra;
      const int minutes = km + (trip * 13 + day * 3) % 17;
      text += "2020-01-0" + std::to_string(day) + " " + (trip < 20 ? "0" : "") + std::to_string(trip / 2) +
              ":" + (trip % 2 == 0 ? "00" : "30") + ":00," + towns[trip % 3] + "," + std::to_string(km) +
              ".5," + std::to_string(minutes) + "\n";
    }
    return text;
  }

  static std::string weather_of_day(int day, int extra = 0) {
    std::string text = "hour,town,temp\n";
    for (int hour = 0; hour < 24; ++hour) {
      for (const char* town : {"NORTH", "SOUTH", "WEST"}) {
        const int temp = (hour * 3 + day * 7 + static_cast<int>(town[0])) % 25 + extra;
        text += "2020-01-0" + std::to_string(day) + " " + (hour < 10 ? "0" : "") + std::to_string(hour) +
                ":00:00," + town + "," + std::to_string(temp) + ".25\n";
      }
    }
    return text;
  }

  void write(const std::string& name, const std::string& text) const {
    const std::filesystem::path path = project_folder() / name;
    EXPECT_TRUE(base::make_folders(path.parent_path()));
    EXPECT_TRUE(base::write_file_durably(path, text));
  }
  void remove(const std::string& name) const { std::filesystem::remove(project_folder() / name); }
  void add_day(int day) const {
    write("data/trips/" + name_of_day(day), trips_of_day(day));
    write("data/weather/" + name_of_day(day), weather_of_day(day));
  }

  // Rows of a source that came by POST …/tables/{name}/rows, as api/ keeps them: one JSON object each.
  void receive(const std::string& source, const std::vector<std::string>& rows) const {
    const Status kept = home->database().write([&](store::Connection& connection) -> Status {
      for (const std::string& row : rows) {
        TRY(connection
                .prepare("INSERT INTO arrived_row (project, source, received, row_json, row_sha256) "
                         "VALUES (?, ?, 0, ?, ?)")
                .with(project.name, source, row, base::sha256(row))
                .run());
      }
      return {};
    });
    EXPECT_TRUE(kept);
  }

  // A pipeline as a new run of the program would make it: it remembers nothing but the home.
  std::unique_ptr<Pipeline> pipeline() {
    return std::make_unique<Pipeline>(project, *home, *engine, *executor, clock);
  }

  // Rows of a query on the home's database, cells joined by "|".
  std::vector<std::string> query(const std::string& sql, int columns) const {
    std::vector<std::string> rows;
    const Status read = home->database().read([&](store::Connection& connection) -> Status {
      store::Statement row = connection.prepare(sql);
      while (TRY(row.step())) {
        std::string cells;
        for (int column = 0; column < columns; ++column) cells += (column > 0 ? "|" : "") + row.text(column);
        rows.push_back(std::move(cells));
      }
      return {};
    });
    EXPECT_TRUE(read) << base::render(read.error());
    return rows;
  }

  store::ScratchFolder folder;
  base::ManualClock clock{1'578'268'800 * base::kSecondUs};  // 2020-01-06
  std::unique_ptr<store::Home> home;
  project::Project project;
  std::unique_ptr<table::Engine> engine;
  std::unique_ptr<Executor> executor;
  StepNotes notes;
};

}  // namespace trimtab::flow

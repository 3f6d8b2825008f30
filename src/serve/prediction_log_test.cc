#include "serve/prediction_log.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

#include "base/file.h"
#include "store/scratch_folder.h"

namespace {
std::atomic<int> failing_sync_error = 0;
}

// In front of the system's own: a disk that says "no" when a test wants it to.
extern "C" int fdatasync(int descriptor) {
  if (const int error = failing_sync_error; error != 0) {
    errno = error;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_fdatasync, descriptor));
}

namespace trimtab::serve {
namespace {

namespace fs = std::filesystem;

model::Prediction prediction(const std::string& id, TimeUs received = 7) {
  model::Prediction made;
  made.id = id;
  made.endpoint = "late";
  made.event_time = -5;
  made.received = received;
  made.request_json = R"({"a":1})";
  made.request_hash = 42;
  made.scores = {{2, model::Role::served, 0.25}, {1, model::Role::previous, 0.75}};
  made.features = {1.5, -0.0};
  return made;
}

class PredictionLogTest : public testing::Test {
 protected:
  ~PredictionLogTest() override { failing_sync_error = 0; }

  std::unique_ptr<PredictionLog> open() {
    Result<std::unique_ptr<PredictionLog>> log = PredictionLog::open(folder_);
    EXPECT_TRUE(log) << (log ? "" : log.error().message);
    return log ? std::move(*log) : nullptr;
  }
  static std::string ids(const PredictionLog& log, TimeUs from = INT64_MIN) {
    std::string all;
    EXPECT_TRUE(log.read(from, [&](model::Prediction&& row) { all += (all.empty() ? "" : " ") + row.id; }));
    return all;
  }
  // One block for each list of ids.
  void write(const std::vector<std::string>& blocks) {
    const auto log = open();
    for (const std::string& id : blocks) {
      log->append(prediction(id));
      ASSERT_TRUE(log->flush());
    }
  }
  std::vector<fs::path> segments() const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(folder_)) files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    return files;
  }
  void overwrite(const fs::path& file, std::uint64_t at, char byte) {
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(static_cast<std::streamoff>(at));
    stream.put(byte);
  }
  static std::vector<std::string> problems(const PredictionLog& log) {
    std::vector<std::string> found;
    EXPECT_TRUE(log.check(found));
    return found;
  }

  store::ScratchFolder scratch_;
  fs::path folder_ = scratch_ / "log";
};

TEST_F(PredictionLogTest, GivesBackWhatItTook) {
  {
    const auto log = open();
    log->append(prediction("p1"));
    EXPECT_EQ(log->rows(), 1);
  }
  const auto log = open();
  EXPECT_EQ(log->rows(), 1);
  int visited = 0;
  ASSERT_TRUE(log->read(INT64_MIN, [&](model::Prediction&& row) {
    ++visited;
    const model::Prediction wanted = prediction("p1");
    EXPECT_EQ(row.id, wanted.id);
    EXPECT_EQ(row.endpoint, wanted.endpoint);
    EXPECT_EQ(row.event_time, wanted.event_time);
    EXPECT_EQ(row.received, wanted.received);
    EXPECT_EQ(row.request_json, wanted.request_json);
    EXPECT_EQ(row.request_hash, wanted.request_hash);
    ASSERT_EQ(row.scores.size(), 2u);
    EXPECT_EQ(row.scores[1].version, 1);
    EXPECT_EQ(row.scores[1].role, model::Role::previous);
    EXPECT_EQ(row.scores[1].score, 0.75);
    EXPECT_EQ(row.features, wanted.features);
    EXPECT_FALSE(row.id_was_made);
  }));
  EXPECT_EQ(visited, 1);
  EXPECT_TRUE(problems(*log).empty());
}

TEST_F(PredictionLogTest, KeepsWhatIsMarked) {
  for (const bool damaged : {false, true}) {
    for (const bool made : {false, true}) {
      const auto log = open();
      model::Prediction marked = prediction("p");
      marked.damaged = damaged;
      marked.id_was_made = made;
      log->append(marked);
      ASSERT_TRUE(log->flush());
      ASSERT_TRUE(log->newest(1, [&](model::Prediction&& row) {
        EXPECT_EQ(row.damaged, damaged);
        EXPECT_EQ(row.id_was_made, made);
        EXPECT_EQ(row.scores.size(), 2u);
      }));
    }
  }
}

TEST_F(PredictionLogTest, ReadsWhatWasReceivedSince) {
  const auto log = open();
  for (int i = 1; i <= 3; ++i) log->append(prediction("p" + std::to_string(i), i));
  ASSERT_TRUE(log->flush());
  EXPECT_EQ(ids(*log, 2), "p2 p3");
}

TEST_F(PredictionLogTest, ReadsOnFromWhereItStopped) {
  write({"p1", "p2"});
  const auto log = open();
  log->append(prediction("p3"));
  ASSERT_TRUE(log->flush());
  LogPlace place;
  std::string seen;
  const auto read_on = [&](const std::string& last) {
    seen.clear();
    EXPECT_TRUE(log->read_on(place, [&](model::Prediction&& row) {
      seen += row.id + " ";
      return row.id != last;
    }));
    return seen;
  };
  EXPECT_EQ(read_on("p1"), "p1 ");
  EXPECT_EQ(place.offset, 0u) << "a block that was not read to its end is read again";
  EXPECT_EQ(read_on(""), "p1 p2 p3 ");
  EXPECT_EQ(read_on(""), "");
  log->append(prediction("p4"));
  ASSERT_TRUE(log->flush());
  EXPECT_EQ(read_on(""), "p4 ");
  place = log->place_of_newest(1);
  EXPECT_EQ(read_on(""), "p3 p4 ") << "whole segments";
  place = log->place_of_newest(100);
  EXPECT_EQ(read_on(""), "p1 p2 p3 p4 ");
}

TEST_F(PredictionLogTest, ADamagedOldSegmentIsSaidAndTheRowsBehindItAreRead) {
  for (const TimeUs received : {10, 20, 30, 40}) {
    const auto log = open();
    log->append(prediction("at" + std::to_string(received), received * base::kHourUs));
  }
  const fs::path file = segments().at(1);
  overwrite(file, 20, 'X');
  // Something behind the damage, so that it is no torn end.
  std::ofstream(file, std::ios::app | std::ios::binary) << "abcdefghij";
  const auto log = open();
  ASSERT_TRUE(log);
  EXPECT_EQ(log->rows(), 4);
  std::string seen;
  const auto visit = [&](model::Prediction&& row) {
    seen += row.id + " ";
    return true;
  };
  LogPlace place;
  const Status read = log->read_on(place, visit);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().message, "the prediction log '" + file.string() + "' is damaged at byte 0");
  EXPECT_TRUE(log->read_on(place, visit));
  EXPECT_EQ(seen, "at10 at30 at40 ");
  EXPECT_EQ(ids(*log, 40 * base::kHourUs), "at40") << "what is too old is not even opened";
  EXPECT_FALSE(log->read(20 * base::kHourUs, [](model::Prediction&&) {}));
}

TEST_F(PredictionLogTest, ATornEndIsCutOffAndTheLogGoesOn) {
  write({"p1", "p2"});
  const fs::path file = segments().at(0);
  fs::resize_file(file, fs::file_size(file) - 3);
  {
    const auto log = open();
    EXPECT_EQ(ids(*log), "p1");
    EXPECT_EQ(log->rows(), 1);
    EXPECT_TRUE(problems(*log).empty());
    log->append(prediction("p3"));
  }
  EXPECT_EQ(ids(*open()), "p1 p3");
}

TEST_F(PredictionLogTest, AnEndOfGarbageIsATornEndToo) {
  write({"p1"});
  std::ofstream(segments().at(0), std::ios::app | std::ios::binary) << "abc";
  EXPECT_EQ(ids(*open()), "p1");
}

TEST_F(PredictionLogTest, ADamagedBlockBeforeTheEndIsNotPassedOver) {
  write({"p1", "p2"});
  const fs::path file = segments().at(0);
  overwrite(file, 20, 'X');
  const Result<std::unique_ptr<PredictionLog>> log = PredictionLog::open(folder_);
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, ErrorCode::storage_broken);
  EXPECT_EQ(log.error().message, "the prediction log '" + file.string() + "' is damaged at byte 0");
  EXPECT_EQ(log.error().hint, "restore the file from a backup, or move it away to go on without its rows");
}

TEST_F(PredictionLogTest, ACheckFindsWhatHappensToAnOpenLog) {
  write({"p1", "p2"});
  const auto log = open();
  const fs::path file = segments().at(0);
  fs::resize_file(file, fs::file_size(file) - 3);
  EXPECT_EQ(problems(*log),
            std::vector<std::string>{"the prediction log '" + file.string() + "' has a torn end"});
  overwrite(file, 20, 'X');
  EXPECT_EQ(problems(*log),
            std::vector<std::string>{"the prediction log '" + file.string() + "' is damaged at byte 0"});
}

TEST_F(PredictionLogTest, AfterAFailedFsyncNothingIsAcceptedUntilAFreshSegmentHasTheRows) {
  const auto log = open();
  log->append(prediction("p1"));
  ASSERT_TRUE(log->flush());
  EXPECT_TRUE(log->accepts());
  failing_sync_error = EIO;
  log->append(prediction("p2"));
  const Status failed = log->flush();
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::storage_broken);
  EXPECT_EQ(failed.error().message, "cannot bring the prediction log to the disk: Input/output error");
  const Status refused = log->accepts();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::storage_broken);
  EXPECT_EQ(refused.error().message,
            "no predictions can be logged: cannot bring the prediction log to the disk: Input/output error");
  EXPECT_EQ(refused.error().hint, "see to the disk: answering goes on by itself once the log can be written");
  EXPECT_FALSE(log->flush()) << "a second attempt is no better while the disk is as it is";
  const std::size_t before = segments().size();
  EXPECT_GE(before, 2u) << "and is not made on the segment that failed";
  failing_sync_error = 0;
  while (!log->flush()) {
  }
  EXPECT_TRUE(log->accepts());
  EXPECT_GT(segments().size(), before);
  EXPECT_EQ(ids(*log).substr(0, 2), "p1");
  EXPECT_EQ(ids(*log).substr(ids(*log).size() - 2), "p2");
  EXPECT_TRUE(problems(*log).empty());
}

TEST_F(PredictionLogTest, AFullDiskIsSaidToBeFull) {
  const auto log = open();
  failing_sync_error = ENOSPC;
  log->append(prediction("p1"));
  EXPECT_FALSE(log->flush());
  const Status refused = log->accepts();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::storage_full);
  EXPECT_EQ(refused.error().hint, "free some space: answering then goes on by itself");
  EXPECT_EQ(base::error_row(refused.error().code).http_status, 507);
  failing_sync_error = 0;
  while (!log->flush()) {
  }
  EXPECT_TRUE(log->accepts());
}

TEST_F(PredictionLogTest, AFolderThatIsGoneIsABrokenStorage) {
  const auto log = open();
  fs::remove_all(folder_);
  log->append(prediction("p1"));
  EXPECT_FALSE(log->flush());
  EXPECT_EQ(log->accepts().error().code, ErrorCode::storage_broken);
  fs::create_directories(folder_);
  while (!log->flush()) {
  }
  EXPECT_EQ(ids(*log), "p1");
}

TEST_F(PredictionLogTest, TakesRowsFromManyThreads) {
  const auto log = open();
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&log, thread] {
      for (int i = 0; i < 3'000; ++i)
        log->append(prediction(std::to_string(thread) + "-" + std::to_string(i)));
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(log->flush());
  EXPECT_EQ(log->rows(), 12'000);
  int next[4] = {};
  ASSERT_TRUE(log->read(INT64_MIN, [&](model::Prediction&& row) {
    const int thread = row.id[0] - '0';
    EXPECT_EQ(row.id, std::to_string(thread) + "-" + std::to_string(next[thread]++));
  }));
}

TEST_F(PredictionLogTest, OldSegmentsAreForgottenAndTheNewestStays) {
  // Each life of a log writes a segment of its own.
  for (const TimeUs received : {10, 20, 30}) {
    const auto log = open();
    log->append(prediction("at" + std::to_string(received), received));
  }
  EXPECT_EQ(PredictionLog::forget_before(folder_, 10).value(), 0u);
  EXPECT_GT(PredictionLog::forget_before(folder_, 11).value(), 0u);
  EXPECT_EQ(ids(*open()), "at20 at30");
  EXPECT_GT(PredictionLog::forget_before(folder_, 1'000).value(), 0u);
  {
    const auto log = open();
    EXPECT_EQ(log->rows(), 1);
    log->append(prediction("later", 40));
  }
  EXPECT_EQ(ids(*open()), "at30 later");
  EXPECT_EQ(PredictionLog::forget_before(folder_ / "none", 1'000).value(), 0u);
}

TEST_F(PredictionLogTest, RowsAreKeptAsLongAsDeclared) {
  base::ManualClock clock(100 * base::kDayUs);
  const auto reopen = [&] {
    return PredictionLog::open(folder_, {.clock = &clock, .keep = 10 * base::kDayUs}).value();
  };
  std::unique_ptr<PredictionLog> log = reopen();
  for (int day = 0; day < 20; ++day) {
    log->append(prediction("d" + std::to_string(day), clock.now()));
    ASSERT_TRUE(log->flush());
    clock.advance_to(clock.now() + base::kDayUs + 1);
  }
  const std::string kept = "d11 d12 d13 d14 d15 d16 d17 d18 d19";  // d10 is ten days and some µs old.
  for (int i = 0; i < 200 && ids(*log) != kept; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_EQ(ids(*log), kept);
  // A restart goes on behind what is there.
  log.reset();
  log = reopen();
  log->append(prediction("new", clock.now()));
  ASSERT_TRUE(log->flush());
  EXPECT_EQ(ids(*log), kept + " new");
  std::string newest;
  ASSERT_TRUE(log->newest(2, [&](model::Prediction&& row) { newest += row.id + " "; }));
  EXPECT_EQ(newest, "d19 new ") << "across segments";
}

}  // namespace
}  // namespace trimtab::serve

#include "base/process.h"

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "base/file.h"
#include "base/id.h"

namespace trimtab::base {
namespace {

// A shell makes the shortest children; run_process itself knows none.
ProcessOptions shell(std::string script) {
  ProcessOptions options;
  options.argv = {"/bin/sh", "-c", std::move(script)};
  return options;
}

struct Finished {
  ProcessOutcome outcome;
  std::vector<std::string> lines;
};

Finished run(ProcessOptions options) {
  Finished run;
  options.on_line = [&run](std::string_view line) { run.lines.emplace_back(line); };
  Result<ProcessOutcome> outcome = run_process(options);
  EXPECT_TRUE(outcome) << render(outcome.error());
  if (outcome) run.outcome = std::move(*outcome);
  return run;
}

TEST(Process, HandsOverLinesLogAndExitCode) {
  const Finished done = run(shell("echo one; echo; echo words >&2; printf last; exit 3"));
  EXPECT_EQ(done.lines, (std::vector<std::string>{"one", "", "last"}));
  EXPECT_EQ(done.outcome.log, "words\n");
  EXPECT_EQ(done.outcome.exit_code, 3);
  EXPECT_EQ(done.outcome.signal, 0);
  EXPECT_FALSE(done.outcome.ok());
  EXPECT_TRUE(run(shell("exit 0")).outcome.ok());
}

TEST(Process, ReadsItsInputToTheEnd) {
  ProcessOptions options = shell("wc -c");
  options.input = std::string(5'000'000, 'x');
  EXPECT_EQ(run(options).lines, std::vector<std::string>{"5000000"});
  options.input.clear();
  EXPECT_EQ(run(options).lines, std::vector<std::string>{"0"});
}

TEST(Process, AnInputNobodyReadsIsNoTrouble) {
  ProcessOptions options = shell("exit 0");
  options.input = std::string(5'000'000, 'x');
  EXPECT_TRUE(run(options).outcome.ok());
}

TEST(Process, ReadsFromAPipeThatTheCallerFeeds) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const Descriptor reading(ends[0]);
  Descriptor writing(ends[1]);
  ProcessOptions options =
      shell("read first; echo $first; read second; echo $second; read third || echo end");
  options.input = "not this";
  options.input_descriptor = reading.get();
  std::vector<std::string> lines;
  // Each word is written only after the one before came back.
  options.on_line = [&](std::string_view line) {
    lines.emplace_back(line);
    if (line == "one") {
      EXPECT_EQ(::write(writing.get(), "two\n", 4), 4);
    } else {
      writing = Descriptor();
    }
  };
  ASSERT_EQ(::write(writing.get(), "one\n", 4), 4);
  const Result<ProcessOutcome> done = run_process(options);
  ASSERT_TRUE(done);
  EXPECT_TRUE(done->ok());
  EXPECT_EQ(lines, (std::vector<std::string>{"one", "two", "end"}));
  EXPECT_GE(::fcntl(reading.get(), F_GETFD), 0) << "the caller's descriptor is still open";
  options.input_descriptor = 999'999;
  EXPECT_EQ(run_process(options).error().code, ErrorCode::internal);
}

TEST(Process, BothStreamsMayBeFullAtOnce) {
  const Finished done = run(shell("seq 1 200000; seq 1 200000 >&2; seq 1 200000"));
  EXPECT_EQ(done.lines.size(), 400'000U);
  EXPECT_EQ(done.lines.back(), "200000");
}

TEST(Process, KeepsTheEndOfTheLog) {
  ProcessOptions options = shell("seq 1 100000 >&2");
  options.log_bytes_max = 14;
  EXPECT_EQ(run(options).outcome.log, "\n99999\n100000\n");
}

TEST(Process, SetsEnvironmentAndFolder) {
  ::setenv("TRIMTAB_TEST_KEPT", "kept", 1);
  ::setenv("TRIMTAB_TEST_NEW", "old", 1);
  ProcessOptions options = shell("echo $TRIMTAB_TEST_KEPT $TRIMTAB_TEST_NEW; pwd");
  options.environment = {"TRIMTAB_TEST_NEW=new"};
  options.working_folder = "/usr";
  EXPECT_EQ(run(options).lines, (std::vector<std::string>{"kept new", "/usr"}));
}

TEST(Process, AProgramThatIsNotThereIsNotFound) {
  ProcessOptions options;
  options.argv = {"/no/such/program"};
  EXPECT_EQ(run_process(options).error().code, ErrorCode::not_found);
  options.argv = {"/etc/passwd"};
  EXPECT_EQ(run_process(options).error().code, ErrorCode::internal);
  options = shell("exit 0");
  options.working_folder = "/no/such/folder";
  EXPECT_EQ(run_process(options).error().code, ErrorCode::not_found);
}

TEST(Process, IsKilledAtItsDeadline) {
  ProcessOptions options = shell("echo begun; sleep 60");
  options.wall_time_max = 300'000;
  const Finished done = run(options);
  EXPECT_TRUE(done.outcome.timed_out);
  EXPECT_FALSE(done.outcome.cancelled);
  EXPECT_EQ(done.outcome.signal, SIGKILL);
  EXPECT_EQ(done.lines, std::vector<std::string>{"begun"});
  EXPECT_GE(done.outcome.wall_us, 300'000);
  EXPECT_LT(done.outcome.wall_us, 10 * kSecondUs);
}

TEST(Process, StopsOnRequest) {
  std::atomic<bool> cancel = false;
  ProcessOptions options = shell("echo begun; sleep 60");
  options.cancel = &cancel;
  options.on_line = [&cancel](std::string_view) { cancel = true; };
  const Result<ProcessOutcome> done = run_process(options);
  ASSERT_TRUE(done);
  EXPECT_TRUE(done->cancelled);
  EXPECT_FALSE(done->timed_out);
  EXPECT_LT(done->wall_us, 10 * kSecondUs);
}

TEST(Process, SaysWhichSignalEndedIt) {
  const Finished done = run(shell("kill -SEGV $$"));
  EXPECT_EQ(done.outcome.signal, SIGSEGV);
  EXPECT_FALSE(done.outcome.timed_out);
}

TEST(Process, GrandchildrenDieWithIt) {
  const TimeUs started = steady_now();
  const Finished done = run(shell("sleep 60 & echo $!"));
  EXPECT_LT(steady_now() - started, 10 * kSecondUs);
  ASSERT_EQ(done.lines.size(), 1U);
  // Its new parent may take a moment to reap it, but as a zombie it runs no more.
  const Result<std::string> status = read_file("/proc/" + done.lines[0] + "/stat");
  EXPECT_TRUE(!status || status->find(") S ") == std::string::npos);
}

// A grandchild in a session of its own survives the group's end and keeps the pipes open.
TEST(Process, AGrandchildThatFledDoesNotHoldUs) {
  const TimeUs started = steady_now();
  const Finished done = run(shell("setsid sh -c 'echo $$; exec sleep 60' & sleep 0.5; echo end"));
  EXPECT_TRUE(done.outcome.ok());
  EXPECT_LT(steady_now() - started, 10 * kSecondUs);
  ASSERT_EQ(done.lines.size(), 2U);
  ::kill(std::atoi(done.lines[0].c_str()), SIGKILL);
}

TEST(Process, MemoryIsLimited) {
  ProcessOptions options = shell("dd if=/dev/zero of=/dev/null bs=512M count=1");
  EXPECT_TRUE(run(options).outcome.ok());
  options.memory_bytes_max = 256 * 1024 * 1024;
  EXPECT_FALSE(run(options).outcome.ok());
}

TEST(Process, CountsWhatItUsed) {
  // Our own memory must not be taken for the child's.
  const std::vector<char> ours(200 * 1024 * 1024, 'x');
  const Finished idle = run(shell("sleep 0.2"));
  EXPECT_GT(idle.outcome.peak_rss_bytes, 0U);
  EXPECT_LT(idle.outcome.peak_rss_bytes, 50U * 1024 * 1024);
  EXPECT_GE(idle.outcome.wall_us, 200'000);
  EXPECT_LT(idle.outcome.cpu_us, 200'000);
  // More than we ever had: then the kernel's own account of the ended child is what counts.
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const std::uint64_t megabytes = static_cast<std::uint64_t>(used.ru_maxrss) / 1024 + 100;
  ProcessOptions options;
  options.argv = {"/bin/dd", "if=/dev/zero", "of=/dev/null", "bs=" + std::to_string(megabytes) + "M",
                  "count=1"};
  const Finished busy = run(options);
  EXPECT_GT(busy.outcome.peak_rss_bytes, megabytes * 1024 * 1024);
  EXPECT_LT(busy.outcome.peak_rss_bytes, (megabytes + 50) * 1024 * 1024);
  EXPECT_GT(busy.outcome.cpu_us, 1'000);
}

TEST(Process, InheritsNeitherDescriptorsNorSignals) {
  const int leak = ::dup(STDERR_FILENO);  // Not close-on-exec.
  void (*const before)(int) = ::signal(SIGPIPE, SIG_IGN);
  ProcessOptions options;
  options.argv = {"/bin/ls", "/proc/self/fd"};
  // The fourth is the folder that ls reads.
  EXPECT_EQ(run(options).lines, (std::vector<std::string>{"0", "1", "2", "3"}));
  options.argv = {"/bin/cat", "/proc/self/status"};
  for (const std::string& line : run(options).lines) {
    const bool signals = line.starts_with("SigIgn") || line.starts_with("SigBlk");
    EXPECT_TRUE(!signals || line.ends_with("\t0000000000000000")) << line;
  }
  ::signal(SIGPIPE, before);
  ::close(leak);
}

// The program that ran us is killed: the child must go too.
TEST(Process, DiesWithItsParent) {
  const std::string mark = testing::TempDir() + random_id();
  const pid_t parent = ::fork();
  if (parent == 0) {
    [[maybe_unused]] const auto outcome = run_process(shell("echo $$ > " + mark + "; exec sleep 60"));
    ::_exit(0);
  }
  Result<std::string> child = fail(ErrorCode::not_found, "not yet");
  for (int i = 0; i < 1'000 && (!child || !child->ends_with("\n")); ++i) {
    ::usleep(10'000);
    child = read_file(mark);
  }
  ASSERT_TRUE(child);
  ::kill(parent, SIGKILL);
  ::waitpid(parent, nullptr, 0);
  const pid_t pid = std::atoi(child->c_str());
  const auto runs = [pid] {
    const Result<std::string> stat = read_file("/proc/" + std::to_string(pid) + "/stat");
    return stat && stat->find(") Z ") == std::string::npos;
  };
  for (int i = 0; i < 1'000 && runs(); ++i) ::usleep(10'000);
  EXPECT_FALSE(runs());
  EXPECT_TRUE(remove_tree(mark));
}

TEST(Process, ManyThreadsMayRunOneEach) {
  std::vector<std::jthread> threads;
  std::atomic<int> right = 0;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([t, &right] {
      for (int i = 0; i < 10; ++i) {
        const std::string word = std::to_string(t * 100 + i);
        ProcessOptions options = shell("cat; exit 5");
        options.input = word;
        std::string line;
        options.on_line = [&line](std::string_view text) { line = text; };
        const Result<ProcessOutcome> done = run_process(options);
        if (done && done->exit_code == 5 && line == word) ++right;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(right, 80);
}

}  // namespace
}  // namespace trimtab::base

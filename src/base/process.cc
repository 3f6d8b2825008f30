// Starts a child with vfork, because forking a server of several gigabytes copies its page tables, and
// because between fork and exec a process with threads may only make system calls anyway.
#include "base/process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

#include "base/file.h"

namespace trimtab::base {
namespace {

constexpr std::size_t kReadBytes = 64 * 1024;            // What a pipe holds.
constexpr std::size_t kLineBytesMax = 64 * 1024 * 1024;  // The rest of a longer line is dropped.
constexpr TimeUs kPollUs = 100'000;
constexpr TimeUs kFirstPollUs = 5'000;
// How long the pipes may stay open after the child has ended and its group was killed: only a grandchild that
// left the group can hold them.
constexpr TimeUs kDrainUs = 500'000;

Error system_error(int number, std::string what) {
  const bool absent = number == ENOENT || number == ENOTDIR;
  return Error{absent ? ErrorCode::not_found : ErrorCode::internal,
               what + ": " + std::generic_category().message(number),
               {},
               std::nullopt,
               nullptr};
}

// The descriptors 0 to 2 are what the child's are copied to, so none of ours may lie there (they do when our
// own standard streams are closed).
Result<Descriptor> above_standard_streams(Descriptor fd) {
  if (fd.get() > STDERR_FILENO) return fd;
  Descriptor lifted(::fcntl(fd.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  if (!lifted) return fail(system_error(errno, "cannot copy a descriptor"));
  return lifted;
}

struct Pipe {
  Descriptor read;
  Descriptor write;
};

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail(system_error(errno, "cannot make a pipe"));
  Descriptor read(ends[0]);
  Descriptor write(ends[1]);
  Pipe pipe;
  pipe.read = TRY(above_standard_streams(std::move(read)));
  pipe.write = TRY(above_standard_streams(std::move(write)));
  return pipe;
}

// A file in memory rather than a pipe: nothing has to be fed to the child while it runs, and a child that
// does not read its input costs us no SIGPIPE.
Result<Descriptor> make_input(std::string_view input) {
  if (input.empty()) return above_standard_streams(Descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC)));
  Descriptor file(::memfd_create("input", MFD_CLOEXEC));
  if (!file) return fail(system_error(errno, "cannot make the child's input"));
  while (!input.empty()) {
    const ssize_t written = ::write(file.get(), input.data(), input.size());
    if (written < 0 && errno != EINTR) return fail(system_error(errno, "cannot write the child's input"));
    if (written > 0) input.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::lseek(file.get(), 0, SEEK_SET) != 0)
    return fail(system_error(errno, "cannot rewind the child's input"));
  return above_standard_streams(std::move(file));
}

// The caller keeps its descriptor; ours is a copy that no other child inherits.
Result<Descriptor> open_input(const ProcessOptions& options) {
  if (options.input_descriptor < 0) return make_input(options.input);
  Descriptor copy(::fcntl(options.input_descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  if (!copy) return fail(system_error(errno, "cannot hand over the child's input"));
  return copy;
}

// Our environment, in which the added variables replace those of the same name.
std::vector<std::string> make_environment(const std::vector<std::string>& added) {
  std::vector<std::string> all = added;
  const auto name_of = [](std::string_view variable) { return variable.substr(0, variable.find('=')); };
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    const bool replaced = std::any_of(added.begin(), added.end(), [&](const std::string& other) {
      return name_of(other) == name_of(*variable);
    });
    if (!replaced) all.emplace_back(*variable);
  }
  return all;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (const std::string& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

// What the child could not do, as it tells us through a pipe that a successful exec closes.
enum class Step : int { prepare, folder, limit, execute };
struct Failure {
  int number = 0;
  Step step = Step::prepare;
};

// All that the child needs, made before the fork.
struct Launch {
  std::vector<char*> argv;
  std::vector<char*> environment;
  const char* working_folder = nullptr;  // Null: ours.
  std::uint64_t memory_bytes_max = 0;
  int input = -1;
  int output = -1;
  int log = -1;
  int failure = -1;
  pid_t parent = 0;
};

[[noreturn]] void give_up(const Launch& launch, Step step) {
  const Failure failure{errno, step};
  // The parent takes a pipe closed without a word for success, but then there is nobody left to tell.
  [[maybe_unused]] const ssize_t written = ::write(launch.failure, &failure, sizeof failure);
  ::_exit(127);
}

// The child's side. It shares our memory until it executes, so it makes system calls only and changes
// nothing.
[[noreturn]] void become_child(const Launch& launch) {
  if (::setpgid(0, 0) != 0) give_up(launch, Step::prepare);
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) give_up(launch, Step::prepare);
  // The parent may have died before it could matter to the kernel.
  if (::getppid() != launch.parent) ::_exit(127);
  if (launch.working_folder != nullptr && ::chdir(launch.working_folder) != 0) give_up(launch, Step::folder);
  if (::dup2(launch.input, STDIN_FILENO) < 0 || ::dup2(launch.output, STDOUT_FILENO) < 0 ||
      ::dup2(launch.log, STDERR_FILENO) < 0) {
    give_up(launch, Step::prepare);
  }
  // All our descriptors are close-on-exec already; this is for those of the libraries. Old kernels lack it.
  ::close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
  // Handlers would run in our memory and ignored signals stay ignored, so each goes back to what it was at
  // first before any is let through again.
  struct sigaction by_default{};
  by_default.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) ::sigaction(number, &by_default, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (launch.memory_bytes_max > 0) {
    const rlimit limit{launch.memory_bytes_max, launch.memory_bytes_max};
    if (::setrlimit(RLIMIT_AS, &limit) != 0) give_up(launch, Step::limit);
  }
  ::execve(launch.argv[0], launch.argv.data(), launch.environment.data());
  give_up(launch, Step::execute);
}

// The fork alone, so that no variable lives in registers across it. -1 and errno when there is none.
[[gnu::noinline]] pid_t fork_child(const Launch& launch) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  // No handler of ours may run in the child.
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::vfork();
  if (pid == 0) become_child(launch);
  const int number = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = number;
  return pid;
}

Error launch_error(const Failure& failure, const ProcessOptions& options) {
  switch (failure.step) {
    case Step::folder:
      return system_error(failure.number, "cannot enter '" + options.working_folder + "'");
    case Step::limit:
      return system_error(failure.number, "cannot limit the memory of a child");
    case Step::execute:
      return system_error(failure.number, "cannot run '" + options.argv[0] + "'");
    case Step::prepare:
      break;
  }
  return system_error(failure.number, "cannot prepare a child");
}

struct Child {
  pid_t pid = -1;
  Descriptor exit;    // Readable once the child has ended; empty on kernels without pidfd_open.
  Descriptor output;  // Its standard output and error; reading never blocks.
  Descriptor log;
  std::uint64_t our_peak_bytes = 0;  // Our own peak memory when it was started.
};

Result<Child> start(const ProcessOptions& options) {
  Descriptor input = TRY(open_input(options));
  Pipe output = TRY(make_pipe());
  Pipe log = TRY(make_pipe());
  Pipe failure = TRY(make_pipe());
  const std::vector<std::string> environment = make_environment(options.environment);
  const Launch launch{
      .argv = pointers(options.argv),
      .environment = pointers(environment),
      .working_folder = options.working_folder.empty() ? nullptr : options.working_folder.c_str(),
      .memory_bytes_max = options.memory_bytes_max,
      .input = input.get(),
      .output = output.write.get(),
      .log = log.write.get(),
      .failure = failure.write.get(),
      .parent = ::getpid()};
  Child child;
  child.pid = fork_child(launch);
  if (child.pid < 0) return fail(system_error(errno, "cannot fork"));
  failure.write = Descriptor();
  Failure failed;
  ssize_t got = 0;
  do got = ::read(failure.read.get(), &failed, sizeof failed);
  while (got < 0 && errno == EINTR);
  if (got == sizeof failed) {
    ::waitpid(child.pid, nullptr, 0);
    return fail(launch_error(failed, options));
  }
  rusage ours{};
  ::getrusage(RUSAGE_SELF, &ours);
  child.our_peak_bytes = static_cast<std::uint64_t>(ours.ru_maxrss) * 1024;
  // By number, because glibc 2.36 declares pidfd_open as a C++ function.
  child.exit = Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, child.pid, 0)));
  child.output = std::move(output.read);
  child.log = std::move(log.read);
  for (const Descriptor* end : {&child.output, &child.log}) ::fcntl(end->get(), F_SETFL, O_NONBLOCK);
  return child;
}

// Cuts a stream into lines.
class Lines {
 public:
  explicit Lines(const std::function<void(std::string_view)>& on_line) : on_line_(on_line) {}

  void add(std::string_view bytes) {
    if (!on_line_) return;
    for (std::size_t end = bytes.find('\n'); end != std::string_view::npos; end = bytes.find('\n')) {
      append(bytes.substr(0, end));
      on_line_(line_);
      line_.clear();
      bytes.remove_prefix(end + 1);
    }
    append(bytes);
  }
  // The last line may lack its end.
  void finish() {
    if (on_line_ && !line_.empty()) on_line_(line_);
    line_.clear();
  }

 private:
  void append(std::string_view bytes) { line_ += bytes.substr(0, kLineBytesMax - line_.size()); }

  const std::function<void(std::string_view)>& on_line_;
  std::string line_;
};

// Accompanies a child from its start to its end.
class Watch {
 public:
  Watch(const ProcessOptions& options, Child child, TimeUs started)
      : options_(options), child_(std::move(child)), started_(started), lines_(options.on_line) {}

  ProcessOutcome to_the_end() {
    while (!has_ended()) {
      stop_if_asked();
      wait_for_news(pause());
      take_output();
      sample_peak();
    }
    // As long as the child is not reaped, its number still stands for this group alone. Whoever is left in it
    // goes.
    ::kill(-child_.pid, SIGKILL);
    drain();
    reap();
    return std::move(outcome_);
  }

 private:
  bool has_ended() const {
    siginfo_t info{};
    const int failed = ::waitid(P_PID, static_cast<id_t>(child_.pid), &info, WEXITED | WNOHANG | WNOWAIT);
    // Somebody else may have reaped it (SIGCHLD ignored); then it has ended all the same.
    return failed != 0 ? errno == ECHILD : info.si_pid == child_.pid;
  }

  void stop_if_asked() {
    if (outcome_.timed_out || outcome_.cancelled) return;
    outcome_.cancelled = options_.cancel != nullptr && options_.cancel->load();
    outcome_.timed_out = !outcome_.cancelled && options_.wall_time_max > 0 &&
                         steady_now() - started_ >= options_.wall_time_max;
    if (outcome_.timed_out || outcome_.cancelled) ::kill(-child_.pid, SIGKILL);
  }

  TimeUs pause() const {
    TimeUs pause = std::min(kPollUs, sample_pause_);
    const bool deadline_ahead = options_.wall_time_max > 0 && !outcome_.timed_out && !outcome_.cancelled;
    if (deadline_ahead) pause = std::min(pause, started_ + options_.wall_time_max - steady_now());
    return std::max<TimeUs>(pause, 0);
  }

  void wait_for_news(TimeUs pause) {
    // poll passes over descriptors below 0: pipes that have ended.
    std::array<pollfd, 3> waited = {pollfd{child_.output.get(), POLLIN, 0},
                                    pollfd{child_.log.get(), POLLIN, 0},
                                    pollfd{child_.exit.get(), POLLIN, 0}};
    ::poll(waited.data(), waited.size(), static_cast<int>((pause + 999) / 1'000));
  }

  void take_output() {
    lines_.add(read_some(child_.output));
    outcome_.log += read_some(child_.log);
    // Cut only now and then, as each cut moves what is kept.
    if (outcome_.log.size() > 2 * options_.log_bytes_max + kReadBytes) cut_log();
  }

  void cut_log() {
    if (outcome_.log.size() > options_.log_bytes_max) {
      outcome_.log.erase(0, outcome_.log.size() - options_.log_bytes_max);
    }
  }

  // As much as a pipe holds; closes our end when the other one is closed.
  std::string_view read_some(Descriptor& from) {
    if (!from) return {};
    const ssize_t got = ::read(from.get(), buffer_.data(), buffer_.size());
    const bool later = got < 0 && (errno == EAGAIN || errno == EINTR);
    if (got <= 0 && !later) from = Descriptor();
    return {buffer_.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0))};
  }

  void drain() {
    const TimeUs until = steady_now() + kDrainUs;
    // The first round takes what the pipes hold, however late it is.
    take_output();
    while (child_.output || child_.log) {
      const TimeUs left = until - steady_now();
      if (left <= 0) break;
      wait_for_pipes(left);
      take_output();
    }
    lines_.finish();
    cut_log();
  }

  void wait_for_pipes(TimeUs pause) {
    child_.exit = Descriptor();  // It stays readable from now on and would end every wait at once.
    wait_for_news(pause);
  }

  // The kernel's own figure cannot tell a small child from its parent, see reap. So we also ask while it
  // runs: often at first, for the sake of short runs.
  void sample_peak() {
    const TimeUs now = steady_now();
    if (now < next_sample_) return;
    next_sample_ = now + sample_pause_;
    sample_pause_ = std::min(2 * sample_pause_, kPollUs);
    const Result<std::string> status = read_file("/proc/" + std::to_string(child_.pid) + "/status");
    constexpr std::string_view kName = "VmHWM:";
    const std::size_t name = status ? status->find(kName) : std::string::npos;
    if (name == std::string::npos) return;
    const std::size_t digits = status->find_first_of("0123456789", name);
    if (digits == std::string::npos) return;
    std::uint64_t kilobytes = 0;
    std::from_chars(status->data() + digits, status->data() + status->size(), kilobytes);
    sampled_peak_bytes_ = std::max(sampled_peak_bytes_, kilobytes * 1024);
  }

  void reap() {
    int status = 0;
    rusage used{};
    pid_t reaped = 0;
    do reaped = ::wait4(child_.pid, &status, 0, &used);
    while (reaped < 0 && errno == EINTR);
    outcome_.wall_us = steady_now() - started_;
    if (WIFEXITED(status)) outcome_.exit_code = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) outcome_.signal = WTERMSIG(status);
    const auto microseconds = [](const timeval& time) { return time.tv_sec * kSecondUs + time.tv_usec; };
    outcome_.cpu_us = microseconds(used.ru_utime) + microseconds(used.ru_stime);
    // At exec the kernel counts the memory that the child shared with us until then as its own peak. Only
    // what is above ours is surely the child's.
    const std::uint64_t kernel_peak_bytes = static_cast<std::uint64_t>(used.ru_maxrss) * 1024;
    const bool surely_its_own = kernel_peak_bytes > child_.our_peak_bytes;
    outcome_.peak_rss_bytes = surely_its_own ? kernel_peak_bytes : sampled_peak_bytes_;
  }

  const ProcessOptions& options_;
  Child child_;
  TimeUs started_;
  Lines lines_;
  ProcessOutcome outcome_;
  TimeUs next_sample_ = 0;
  TimeUs sample_pause_ = kFirstPollUs;
  std::uint64_t sampled_peak_bytes_ = 0;
  std::vector<char> buffer_ = std::vector<char>(kReadBytes);
};

}  // namespace

Result<ProcessOutcome> run_process(const ProcessOptions& options) {
  CHECK(!options.argv.empty());
  const TimeUs started = steady_now();
  Child child = TRY(start(options));
  return Watch(options, std::move(child), started).to_the_end();
}

}  // namespace trimtab::base

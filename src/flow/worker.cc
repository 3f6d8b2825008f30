#include "flow/worker.h"

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <fcntl.h>
#include <filesystem>
#include <mutex>
#include <optional>
#include <poll.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include "base/file.h"
#include "base/process.h"

namespace trimtab::flow {
namespace {

// How often a waiting caller looks whether it was cancelled.
constexpr std::chrono::milliseconds kLook{50};
constexpr std::size_t kLogTail = 2000;  // Bytes of a log that stand in an error's message.

Error error_of(const Json& json) {
  Error error;
  error.code = ErrorCode::internal;
  for (const base::ErrorRow& row : base::error_table()) {
    if (row.name == json.text_or("code")) error.code = row.code;
  }
  error.message = json.text_or("message");
  error.hint = json.text_or("hint");
  if (const Json* where = json.find("where")) {
    error.where = SourceRange{where->text_or("file"), static_cast<int>(where->int_or("line")),
                              static_cast<int>(where->int_or("column"))};
  }
  return error;
}

// What the worker measured; `known` is what we know without it.
Resources resources_of(const Json& json, const Resources& known) {
  Resources resources;
  resources.cpu_s = json.double_or("cpu_s");
  resources.wall_s = json.double_or("wall_s");
  resources.peak_rss_bytes = static_cast<std::uint64_t>(json.int_or("peak_rss_bytes"));
  resources.bytes_read = static_cast<std::uint64_t>(json.int_or("bytes_read"));
  resources.rows = json.int_or("rows", known.rows);
  return resources;
}

std::uint64_t size_of(const std::map<std::string, std::vector<std::string>>& files) {
  std::uint64_t bytes = 0;
  for (const auto& [name, paths] : files) {
    for (const std::string& path : paths) {
      std::error_code absent;
      const std::uint64_t size = std::filesystem::file_size(path, absent);
      if (!absent) bytes += size;
    }
  }
  return bytes;
}

// What the libraries say when the limit on the address space is reached. (zstd in the engine's Parquet writer
// returns its failure as a size, and the writer complains about that size.)
bool ran_out_of_memory(const std::string& words) {
  for (const char* sign : {"bad_alloc", "Out of Memory", "Cannot allocate memory", "Thread creation failed",
                           "compressed page size out of range"}) {
    if (words.find(sign) != std::string::npos) return true;
  }
  return false;
}

Error step_error(const Task& task, const std::string& what, std::string hint) {
  return {ErrorCode::step_failed, "the step '" + task.label + "' " + what, std::move(hint), std::nullopt,
          nullptr};
}

Error with_log(Error error, const std::string& log) {
  if (log.empty()) return error;
  error.message += "\n   log: " + log.substr(log.size() > kLogTail ? log.size() - kLogTail : 0);
  return error;
}

std::string task_line(const Task& task, const std::map<std::string, std::vector<std::string>>& inputs,
                      const std::string& output_folder) {
  Json files = Json::object();
  for (const auto& [name, paths] : inputs) {
    Json list = Json::array();
    for (const std::string& path : paths) list.push(path);
    files.set(name, std::move(list));
  }
  Json line = Json::object();
  line.set("operation", task.operation).set("params", task.params).set("inputs", std::move(files));
  line.set("output", output_folder).set("threads", task.threads);
  return line.dump() + "\n";
}

}  // namespace

// One process and the thread that accompanies it. That thread must outlive the process (the kernel kills a
// child whose parent thread ends), which is why it is the one that starts it.
struct Worker::State {
  explicit State(WorkerOptions given) : options(std::move(given)) {}

  WorkerOptions options;
  std::thread companion;
  std::atomic<bool> kill{false};
  base::Descriptor to_process;
  double cpu_s_before = 0;  // What the process had used when it last answered.

  std::mutex mutex;
  std::condition_variable news;
  std::deque<std::string> lines;                        // From the process, not yet read.
  std::optional<Result<base::ProcessOutcome>> outcome;  // Set when it has ended.

  ~State() { stop(); }

  void stop() {
    to_process = base::Descriptor();  // End of its input: it leaves by itself.
    kill = true;
    if (companion.joinable()) companion.join();
  }

  bool is_running() {
    std::scoped_lock lock(mutex);
    return companion.joinable() && !outcome;
  }

  Status start() {
    stop();
    kill = false;
    lines.clear();
    outcome.reset();
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
      return fail(base::errno_error(errno, "cannot make a pipe to a worker"));
    auto from_us = std::make_shared<base::Descriptor>(ends[0]);
    to_process = base::Descriptor(ends[1]);
    // Ours alone: a process that hangs must not make us hang while we write to it.
    ::fcntl(to_process.get(), F_SETFL, O_NONBLOCK);
    cpu_s_before = 0;
    companion = std::thread([this, from_us] { accompany(*from_us); });
    return {};
  }

  void accompany(const base::Descriptor& input) {
    base::ProcessOptions process;
    process.argv = {options.program, "worker", std::to_string(options.limits.memory_bytes_max)};
    process.argv.insert(process.argv.end(), options.folders_allowed.begin(), options.folders_allowed.end());
    // OpenMP threads that spin while they wait would starve the server beside them.
    process.environment = {"OMP_WAIT_POLICY=passive", "OMP_DYNAMIC=false"};
    process.input_descriptor = input.get();
    process.memory_bytes_max = options.limits.memory_bytes_max;
    process.cancel = &kill;
    process.on_line = [this](std::string_view line) {
      std::scoped_lock lock(mutex);
      lines.emplace_back(line);
      news.notify_all();
    };
    Result<base::ProcessOutcome> ended = base::run_process(process);
    std::scoped_lock lock(mutex);
    outcome.emplace(std::move(ended));
    news.notify_all();
  }

  // False when the process does not take it: it has ended, or it hangs and its input is full.
  bool send(std::string_view text, TimeUs until, const std::atomic<bool>* cancel) {
    while (!text.empty()) {
      const ssize_t written = ::write(to_process.get(), text.data(), text.size());
      if (written > 0) text.remove_prefix(static_cast<std::size_t>(written));
      if (written >= 0 || errno == EINTR) continue;
      const bool give_up = base::steady_now() >= until || (cancel != nullptr && cancel->load());
      if (errno != EAGAIN || give_up || !is_running()) return false;
      pollfd waited{to_process.get(), POLLOUT, 0};
      ::poll(&waited, 1, static_cast<int>(kLook.count()));
    }
    return true;
  }

  // The next line, or nothing when the process has ended or `until` (steady time) has passed or we are
  // cancelled.
  std::optional<std::string> next_line(TimeUs until, const std::atomic<bool>* cancel) {
    std::unique_lock lock(mutex);
    while (lines.empty() && !outcome && base::steady_now() < until && !(cancel && cancel->load())) {
      news.wait_for(lock, kLook);
    }
    if (lines.empty()) return std::nullopt;
    std::string line = std::move(lines.front());
    lines.pop_front();
    return line;
  }

  Error memory_error(const Task& task) const {
    return step_error(task,
                      "needed more memory than its limit of " + format_bytes(options.limits.memory_bytes_max),
                      "grant it more with --step-memory-max, or give it less to read");
  }

  // Why no answer came, in words. The process has ended.
  Error failure(const Task& task, bool cancelled, bool late) const {
    if (cancelled)
      return {ErrorCode::cancelled, "'" + task.label + "' was cancelled", "", std::nullopt, nullptr};
    if (late) {
      return step_error(task, "passed its deadline of " + base::format_duration(options.limits.wall_time_max),
                        "grant it more with --step-time-max, or find out from its log where it hangs");
    }
    if (!outcome->has_value())
      return step_error(task, "could not be started: " + outcome->error().message, "");
    const base::ProcessOutcome& end = **outcome;
    if (ran_out_of_memory(end.log)) return with_log(memory_error(task), end.log);
    const std::string how = end.signal != 0 ? "was ended by signal " + std::to_string(end.signal)
                                            : "ended with exit code " + std::to_string(end.exit_code);
    return with_log(
        step_error(task, how, "its log is kept with the step; run the command again to try it once more"),
        end.log);
  }

  // Ends what is left of the process and says what became of it. `used`: what is known of the step so far.
  Outcome give_up(const Task& task, Resources used, bool cancelled, bool late) {
    const bool ended_itself = !is_running();
    stop();
    Outcome result;
    result.values = fail(failure(task, cancelled, late && !ended_itself));
    result.resources = used;
    if (outcome && outcome->has_value()) {
      const base::ProcessOutcome& end = **outcome;
      result.log = end.log;
      result.resources.peak_rss_bytes = end.peak_rss_bytes;
      result.resources.cpu_s = std::max(0.0, static_cast<double>(end.cpu_us) / 1e6 - cpu_s_before);
    }
    return result;
  }
};

Worker::Worker(WorkerOptions options) : state_(std::make_unique<State>(std::move(options))) {}
Worker::~Worker() = default;

Worker::Outcome Worker::run(const Task& task, const std::map<std::string, std::vector<std::string>>& inputs,
                            const std::string& output_folder,
                            const std::function<void(const Progress&)>& on_progress,
                            const std::atomic<bool>* cancel) {
  if (!state_->is_running()) {
    if (Status started = state_->start(); !started) return {fail(started.error()), {}, {}};
  }
  const TimeUs began = base::steady_now();
  const TimeUs until = began + state_->options.limits.wall_time_max;
  Resources used;
  used.bytes_read = size_of(inputs);
  std::optional<std::string> line;
  if (state_->send(task_line(task, inputs, output_folder), until, cancel))
    line = state_->next_line(until, cancel);
  for (; line; line = state_->next_line(until, cancel)) {
    const Result<Json> answer = base::parse_json(*line);
    if (!answer) continue;  // Words of a library on standard output are no answer.
    if (const Json* progress = answer->find("progress")) {
      on_progress({progress->int_or("done"), progress->int_or("total"), progress->text_or("unit")});
      if (progress->text_or("unit") == "rows") used.rows = progress->int_or("done");
      continue;
    }
    const Json* error = answer->find("error");
    const Json* values = answer->find("values");
    if (error == nullptr && values == nullptr) continue;
    state_->cpu_s_before = answer->double_or("process_cpu_s");
    const Resources resources = resources_of((*answer)["resources"], used);
    if (error == nullptr) return {*values, resources, {}};
    const bool memory = error->bool_or("out_of_memory") || ran_out_of_memory(error->text_or("message"));
    return {fail(memory ? state_->memory_error(task) : error_of(*error)), resources, {}};
  }
  used.wall_s = static_cast<double>(base::steady_now() - began) / 1e6;
  const bool cancelled = cancel != nullptr && cancel->load();
  return state_->give_up(task, used, cancelled, base::steady_now() >= until);
}

}  // namespace trimtab::flow

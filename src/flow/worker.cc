#include "flow/worker.h"

#include <condition_variable>
#include <csignal>
#include <deque>
#include <fcntl.h>
#include <mutex>
#include <optional>
#include <thread>
#include <unistd.h>
#include <utility>

#include "base/file.h"
#include "base/process.h"

namespace trimtab::flow {
namespace {

// How often a waiting caller looks whether it was cancelled.
constexpr std::chrono::milliseconds kLook{50};

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

Resources resources_of(const Json& json) {
  Resources resources;
  resources.cpu_s = json.double_or("cpu_s");
  resources.wall_s = json.double_or("wall_s");
  resources.peak_rss_bytes = static_cast<std::uint64_t>(json.int_or("peak_rss_bytes"));
  resources.bytes_read = static_cast<std::uint64_t>(json.int_or("bytes_read"));
  resources.rows = json.int_or("rows");
  return resources;
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
    companion = std::thread([this, from_us] { accompany(*from_us); });
    return {};
  }

  void accompany(const base::Descriptor& input) {
    base::ProcessOptions process;
    process.argv = {options.program, "worker", std::to_string(options.memory_bytes_max)};
    process.argv.insert(process.argv.end(), options.folders_allowed.begin(), options.folders_allowed.end());
    // OpenMP threads that spin while they wait would starve the server beside them.
    process.environment = {"OMP_WAIT_POLICY=passive", "OMP_DYNAMIC=false"};
    process.input_descriptor = input.get();
    process.memory_bytes_max = options.memory_bytes_max;
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

  Status send(const std::string& text) {
    std::string_view left = text;
    while (!left.empty()) {
      const ssize_t written = ::write(to_process.get(), left.data(), left.size());
      if (written < 0 && errno != EINTR) return fail(ErrorCode::step_failed, "a worker does not listen");
      if (written > 0) left.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
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

  // Why no answer came.
  Error failure(const Task& task, bool cancelled, bool late) {
    const bool ended_itself = !is_running();
    stop();
    if (cancelled)
      return {ErrorCode::cancelled, "'" + task.label + "' was cancelled", "", std::nullopt, nullptr};
    std::string what = "crashed";
    std::string hint = "its log is kept with the step; run the command again to try it once more";
    std::string log;
    if (outcome && outcome->has_value()) {
      const base::ProcessOutcome& end = **outcome;
      log = end.log;
      if (end.signal != 0) what = "was ended by signal " + std::to_string(end.signal);
      if (end.signal == 0) what = "ended with exit code " + std::to_string(end.exit_code);
      const bool out_of_memory =
          log.find("bad_alloc") != std::string::npos || log.find("Out of Memory") != std::string::npos;
      if (out_of_memory) what = "needed more memory than its limit";
    } else if (outcome) {
      what = "could not be started: " + outcome->error().message;
    }
    if (!ended_itself && late) {
      what = "passed its deadline of " + base::format_duration(task.wall_time_max);
    }
    std::string message = "the step '" + task.label + "' " + what;
    if (!log.empty()) message += "\n   log: " + log.substr(log.size() > 2000 ? log.size() - 2000 : 0);
    return {ErrorCode::step_failed, message, hint, std::nullopt, nullptr};
  }
};

Worker::Worker(WorkerOptions options) : state_(std::make_unique<State>(std::move(options))) {}
Worker::~Worker() = default;

Result<Worker::Finished> Worker::run(const Task& task,
                                     const std::map<std::string, std::vector<std::string>>& inputs,
                                     const std::string& output_folder,
                                     const std::function<void(const Progress&)>& on_progress,
                                     const std::atomic<bool>* cancel) {
  if (!state_->is_running()) TRY(state_->start());
  const TimeUs until = base::steady_now() + task.wall_time_max;
  if (!state_->send(task_line(task, inputs, output_folder))) return fail(state_->failure(task, false, false));
  while (std::optional<std::string> line = state_->next_line(until, cancel)) {
    const Result<Json> answer = base::parse_json(*line);
    if (!answer) continue;  // Words of a library on standard output are no answer.
    if (const Json* progress = answer->find("progress")) {
      on_progress({progress->int_or("done"), progress->int_or("total"), progress->text_or("unit")});
    } else if (const Json* error = answer->find("error")) {
      return fail(error_of(*error));
    } else if (const Json* values = answer->find("values")) {
      return Finished{*values, resources_of((*answer)["resources"]), answer->text_or("log")};
    }
  }
  const bool cancelled = cancel != nullptr && cancel->load();
  return fail(state_->failure(task, cancelled, base::steady_now() >= until));
}

}  // namespace trimtab::flow

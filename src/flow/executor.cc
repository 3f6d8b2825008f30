#include "flow/executor.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <utility>

#include "base/file.h"
#include "base/id.h"
#include "base/log.h"
#include "flow/worker.h"
#include "store/database.h"

namespace trimtab::flow {
namespace {

constexpr std::size_t kLogBytesMax = 64 * 1024;

Json resources_json(const Resources& resources) {
  Json json = Json::object();
  json.set("cpu_s", resources.cpu_s).set("wall_s", resources.wall_s);
  json.set("peak_rss_bytes", resources.peak_rss_bytes).set("bytes_read", resources.bytes_read);
  return json.set("rows", resources.rows);
}

// What the step table keeps of a result. "spec" is there for plan's "why": what the key was made of.
Json outputs_json(const TaskResult& result, const Task& task) {
  Json files = Json::object();
  for (const auto& [name, file] : result.files) {
    files.set(name, Json::object({{"blob", file.sha256}, {"size", file.size}}));
  }
  Json inputs = Json::array();
  for (const TaskInput& input : task.inputs) inputs.push(Json::array().push(input.name).push(input.sha256));
  Json spec = Json::object({{"params", task.params}, {"inputs", std::move(inputs)}});
  return Json::object({{"files", std::move(files)}, {"values", result.values}, {"spec", std::move(spec)}});
}

Result<TaskResult> result_from(const std::string& key, const std::string& outputs_text) {
  const Json outputs = TRY(base::parse_json(outputs_text));
  TaskResult result;
  result.key = key;
  result.cached = true;
  result.values = outputs["values"];
  for (const auto& [name, file] : outputs["files"].as_object()) {
    result.files[name] = {file.text_or("blob"), static_cast<std::uint64_t>(file.int_or("size"))};
  }
  return result;
}

}  // namespace

struct Executor::State {
  State(store::Home& home_, const base::Clock& clock_, ExecutorOptions options_)
      : home(home_), clock(clock_), options(std::move(options_)) {}

  store::Home& home;
  const base::Clock& clock;
  ExecutorOptions options;
  std::mutex runs;                                    // One run at a time.
  std::unordered_map<std::string, TaskResult> known;  // Results seen since the start, by key.
  std::vector<std::unique_ptr<Worker>> workers;       // Kept warm between runs.

  Result<std::optional<TaskResult>> find(const std::string& key);
  std::string why(const Task& task);
  Result<TaskResult> execute(Worker& worker, const Task& task, const std::atomic<bool>& cancel,
                             const std::function<void(const Worker::Progress&)>& on_progress);
  Result<TaskResult> attempt(Worker& worker, const Task& task, const std::atomic<bool>& cancel,
                             const std::function<void(const Worker::Progress&)>& on_progress,
                             Worker::Outcome& outcome);
  Status collect(const std::filesystem::path& folder, TaskResult& result);
  Status remember(const Task& task, const TaskResult& result);
  void remember_failure(const Task& task, const Error& error, const Worker::Outcome& outcome);
};

Result<std::optional<TaskResult>> Executor::State::find(const std::string& key) {
  if (const auto seen = known.find(key); seen != known.end()) return std::optional(seen->second);
  std::optional<std::string> outputs;
  TRY(home.database().read([&](store::Connection& connection) -> Status {
    store::Statement row =
        connection.prepare("SELECT outputs_json FROM step_result WHERE step_key = ? AND outcome = 'done'");
    if (TRY(row.with(key).step())) outputs = row.text(0);
    return {};
  }));
  if (!outputs) return std::optional<TaskResult>();
  TaskResult result = TRY(result_from(key, *outputs));
  // A result whose files are gone is no result: the step runs again and brings them back.
  for (const auto& [name, file] : result.files) {
    if (!home.blobs().has(file.sha256)) return std::optional<TaskResult>();
  }
  known.emplace(key, result);
  return std::optional(std::move(result));
}

std::string Executor::State::why(const Task& task) {
  std::string reason = "new";
  // An unreadable record costs the plan its reason, nothing else.
  (void)home.database().read([&](store::Connection& connection) -> Status {
    store::Statement row = connection.prepare(
        "SELECT outputs_json FROM step_result WHERE operation = ? AND label = ? AND outcome = 'done' "
        "ORDER BY finished_at DESC LIMIT 1");
    if (!TRY(row.with(task.operation, task.label).step())) return {};
    if (!task.is_known()) {
      reason = "its input changes";
      return {};
    }
    const Json before = TRY(base::parse_json(row.text(0)));
    reason = explain_difference(before["spec"], task);
    return {};
  });
  return reason;
}

// Output files become blobs: named by their content, durable, in their place.
Status Executor::State::collect(const std::filesystem::path& folder, TaskResult& result) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const std::filesystem::path& file : files) {
    const std::uint64_t size = std::filesystem::file_size(file);
    result.files[file.filename()] = {TRY(home.blobs().put_file(file)), size};
  }
  return {};
}

Status Executor::State::remember(const Task& task, const TaskResult& result) {
  const std::string outputs = outputs_json(result, task).dump();
  const std::string used = resources_json(result.resources).dump();
  const TimeUs now = clock.now();
  return home.database().write([&](store::Connection& connection) -> Status {
    return connection
        .prepare(
            "INSERT OR REPLACE INTO step_result (step_key, operation, label, outcome, outputs_json, "
            "resources_json, log, finished_at) VALUES (?, ?, ?, 'done', ?, ?, '', ?)")
        .with(result.key, task.operation, task.label, outputs, used, now)
        .run();
  });
}

// A failed step is kept like a finished one: what it said and what it had used until then.
void Executor::State::remember_failure(const Task& task, const Error& error, const Worker::Outcome& outcome) {
  if (error.code == ErrorCode::cancelled) return;
  const std::string key = task_key(task);
  std::string log = base::render(error);
  if (!outcome.log.empty()) log += "\n\n" + outcome.log;
  if (log.size() > kLogBytesMax) log.resize(kLogBytesMax);
  const std::string used = resources_json(outcome.resources).dump();
  const TimeUs now = clock.now();
  const Status kept = home.database().write([&](store::Connection& connection) -> Status {
    return connection
        .prepare(
            "INSERT OR REPLACE INTO step_result (step_key, operation, label, outcome, outputs_json, "
            "resources_json, log, finished_at) VALUES (?, ?, ?, 'failed', '{}', ?, ?, ?)")
        .with(key, task.operation, task.label, used, log, now)
        .run();
  });
  if (!kept) base::log_warning("flow", "a failure could not be kept: " + kept.error().message);
}

Result<TaskResult> Executor::State::attempt(Worker& worker, const Task& task, const std::atomic<bool>& cancel,
                                            const std::function<void(const Worker::Progress&)>& on_progress,
                                            Worker::Outcome& outcome) {
  const std::filesystem::path staging = TRY(home.make_staging(task.operation + "-" + base::random_id()));
  std::map<std::string, std::vector<std::string>> inputs;
  for (const TaskInput& input : task.inputs) {
    inputs[input.name].push_back(input.path.empty() ? home.blobs().path(input.sha256).string()
                                                    : input.path.string());
  }
  outcome = worker.run(task, inputs, staging.string(), on_progress, &cancel);
  TaskResult result;
  Status collected;
  if (outcome.values) {
    result.key = task_key(task);
    result.values = std::move(*outcome.values);
    result.resources = outcome.resources;
    collected = collect(staging, result);
  }
  TRY(base::remove_tree(staging));
  if (!outcome.values) return fail(outcome.values.error());
  TRY(std::move(collected));
  TRY(remember(task, result));
  return result;
}

Result<TaskResult> Executor::State::execute(Worker& worker, const Task& task, const std::atomic<bool>& cancel,
                                            const std::function<void(const Worker::Progress&)>& on_progress) {
  Worker::Outcome outcome;
  Result<TaskResult> result = attempt(worker, task, cancel, on_progress, outcome);
  if (!result) remember_failure(task, result.error(), outcome);
  return result;
}

namespace {

// What the worker threads tell the thread that called run.
struct Event {
  enum class Kind { started, progressed, ended } kind = Kind::started;
  std::size_t task = 0;
  Worker::Progress progress;
  std::optional<Result<TaskResult>> result;
};

class EventQueue {
 public:
  void push(Event event) {
    std::scoped_lock lock(mutex_);
    events_.push_back(std::move(event));
    news_.notify_one();
  }
  Event pop() {
    std::unique_lock lock(mutex_);
    news_.wait(lock, [this] { return !events_.empty(); });
    Event event = std::move(events_.front());
    events_.pop_front();
    return event;
  }

 private:
  std::mutex mutex_;
  std::condition_variable news_;
  std::deque<Event> events_;
};

}  // namespace

// The part of run that has something to do: hands tasks to worker threads, tells the listener, keeps the
// results.
class Round {
 public:
  Round(Executor::State& state, const std::vector<Task>& tasks, std::vector<TaskResult>& results,
        std::vector<std::size_t> todo, ProgressListener& listener, const std::atomic<bool>* cancel)
      : state_(state),
        tasks_(tasks),
        results_(results),
        todo_(std::move(todo)),
        listener_(listener),
        cancel_(cancel) {}

  Status run() {
    const std::size_t count =
        std::min<std::size_t>(todo_.size(), static_cast<std::size_t>(state_.options.workers));
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < count; ++i) {
      threads.emplace_back([this, i] { work(*state_.workers[i]); });
    }
    for (std::size_t ended = 0; ended < todo_.size();) ended += handle(events_.pop()) ? 1 : 0;
    for (std::thread& thread : threads) thread.join();
    if (first_error_) return fail(*first_error_);
    return {};
  }

 private:
  void work(Worker& worker) {
    for (std::size_t next = next_++; next < todo_.size(); next = next_++) {
      const std::size_t task = todo_[next];
      if (cancel_ != nullptr && cancel_->load()) stop_ = true;
      if (stop_) {
        events_.push(
            {Event::Kind::ended, task, {}, Result<TaskResult>(fail(ErrorCode::cancelled, "not started"))});
        continue;
      }
      events_.push({Event::Kind::started, task, {}, std::nullopt});
      const auto on_progress = [this, task](const Worker::Progress& progress) {
        if (cancel_ != nullptr && cancel_->load()) stop_ = true;
        events_.push({Event::Kind::progressed, task, progress, std::nullopt});
      };
      Result<TaskResult> result = state_.execute(worker, tasks_[task], stop_, on_progress);
      if (!result) stop_ = true;
      events_.push({Event::Kind::ended, task, {}, std::move(result)});
    }
  }

  // True when a task has ended.
  bool handle(Event event) {
    const Task& task = tasks_[event.task];
    if (event.kind == Event::Kind::started) listener_.started(task);
    if (event.kind == Event::Kind::progressed) {
      listener_.progressed(task, event.progress.done, event.progress.total, event.progress.unit);
    }
    if (event.kind != Event::Kind::ended) return false;
    if (*event.result) {
      TaskResult& result = results_[event.task] = std::move(**event.result);
      TaskResult& known = state_.known[result.key] = result;
      known.cached = true;  // For whoever asks next.
      listener_.finished(task, results_[event.task]);
      return true;
    }
    const Error& error = event.result->error();
    if (error.code != ErrorCode::cancelled) listener_.failed(task, error);
    // The failure that stopped the others is the one to tell, not their being stopped.
    if (!first_error_ || first_error_->code == ErrorCode::cancelled) first_error_ = error;
    return true;
  }

  Executor::State& state_;
  const std::vector<Task>& tasks_;
  std::vector<TaskResult>& results_;
  std::vector<std::size_t> todo_;  // Indexes of tasks_.
  ProgressListener& listener_;
  const std::atomic<bool>* cancel_;
  std::atomic<std::size_t> next_{0};
  std::atomic<bool> stop_{false};
  EventQueue events_;
  std::optional<Error> first_error_;
};

Executor::Executor(store::Home& home, const base::Clock& clock, ExecutorOptions options)
    : state_(std::make_unique<State>(home, clock, std::move(options))) {
  WorkerOptions worker;
  worker.program = state_->options.program;
  worker.folders_allowed = state_->options.folders_allowed;
  worker.limits = state_->options.limits;
  worker.folders_allowed.push_back((home.folder() / "blobs").string());
  worker.folders_allowed.push_back((home.folder() / "staging").string());
  for (int i = 0; i < state_->options.workers; ++i)
    state_->workers.push_back(std::make_unique<Worker>(worker));
}

Executor::~Executor() = default;

bool Executor::is_dry_run() const { return state_->options.dry_run; }

Result<std::vector<TaskResult>> Executor::run(const std::vector<Task>& tasks, ProgressListener& listener,
                                              const std::atomic<bool>* cancel) {
  std::scoped_lock lock(state_->runs);
  std::vector<TaskResult> results(tasks.size());
  std::vector<std::size_t> todo;
  std::unordered_map<std::string, std::size_t> first_of_key;  // Equal tasks of one call run once.
  std::vector<std::pair<std::size_t, std::size_t>> copies;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    const Task& task = tasks[i];
    std::optional<TaskResult> found;
    if (task.is_known()) found = TRY(state_->find(task_key(task)));
    if (found) {
      results[i] = std::move(*found);
    } else if (state_->options.dry_run) {
      results[i].pending = true;
      results[i].why = state_->why(task);
      listener.finished(task, results[i]);
    } else {
      CHECK(task.is_known());
      const auto [first, is_new] = first_of_key.emplace(task_key(task), i);
      if (is_new) todo.push_back(i);
      if (!is_new) copies.emplace_back(i, first->second);
    }
  }
  if (!todo.empty()) TRY(Round(*state_, tasks, results, std::move(todo), listener, cancel).run());
  for (const auto& [copy, original] : copies) results[copy] = results[original];
  return results;
}

Result<TaskResult> Executor::run_one(const Task& task, ProgressListener& listener,
                                     const std::atomic<bool>* cancel) {
  std::vector<TaskResult> results = TRY(run({task}, listener, cancel));
  return std::move(results.front());
}

namespace {

std::string short_text(const Json& value) {
  std::string text = value.dump();
  if (text.size() > 40) text = text.substr(0, 37) + "...";
  return text;
}

std::string joined(const std::vector<std::string>& changes) {
  std::string text;
  for (const std::string& change : changes) text += (text.empty() ? "" : ", ") + change;
  return text;
}

void describe_change(const std::string& name, const Json& before, const Json& now,
                     std::vector<std::string>& out);

// "+ features km", "- features km", and of a named thing that is another now: "features km: text "a" → "b"".
void describe_items(const std::string& name, const Json& before, const Json& now,
                    std::vector<std::string>& out) {
  const auto key = [](const Json& item) { return item.text_or("name", item.dump()); };
  const auto label = [&name](const Json& item) {
    return name + " " + (item.find("name") != nullptr ? item.text_or("name") : short_text(item));
  };
  const std::size_t had = out.size();
  std::map<std::string, const Json*> old_items, new_items;
  for (const Json& item : before.as_array()) old_items.emplace(key(item), &item);
  for (const Json& item : now.as_array()) new_items.emplace(key(item), &item);
  for (const Json& item : now.as_array()) {
    const auto old = old_items.find(key(item));
    if (old == old_items.end()) {
      out.push_back("+ " + label(item));
    } else if (*old->second != item) {
      std::vector<std::string> changes;
      describe_change(label(item), *old->second, item, changes);
      out.push_back(label(item) + ": " + joined(changes));
    }
  }
  for (const Json& item : before.as_array()) {
    if (!new_items.contains(key(item))) out.push_back("- " + label(item));
  }
  if (out.size() == had) out.push_back(name + " in another order");
}

// "rounds 200 → 300" for each member that differs, and what differs in lists.
void describe_change(const std::string& name, const Json& before, const Json& now,
                     std::vector<std::string>& out) {
  if (before == now) return;
  if (before.is_object() && now.is_object()) {
    for (const auto& [key, value] : now.as_object()) describe_change(key, before[key], value, out);
    for (const auto& [key, value] : before.as_object()) {
      if (now.find(key) == nullptr) out.push_back("- " + key);
    }
  } else if (before.is_array() && now.is_array()) {
    describe_items(name, before, now, out);
  } else {
    out.push_back(name + " " + short_text(before) + " → " + short_text(now));
  }
}

}  // namespace

std::string explain_difference(const Json& before, const Task& now) {
  std::vector<std::string> changes;
  describe_change("parameters", before["params"], now.params, changes);
  if (!changes.empty()) {
    const bool are_many = changes.size() > 3;
    if (are_many) changes.resize(3);
    return "its parameters changed: " + joined(changes) + (are_many ? ", …" : "");
  }
  Json inputs = Json::array();
  for (const TaskInput& input : now.inputs) inputs.push(Json::array().push(input.name).push(input.sha256));
  if (before["inputs"] == inputs) return "the code of '" + now.operation + "' is newer";
  const std::size_t had = before["inputs"].is_array() ? before["inputs"].as_array().size() : 0;
  const std::size_t has = now.inputs.size();
  const auto count = [](std::size_t number, const char* kind) {
    return "it has " + std::to_string(number) + kind + (number == 1 ? " input" : " inputs");
  };
  if (had < has) return count(has - had, " more");
  if (had > has) return count(had - has, " fewer");
  return "its input changed";
}

}  // namespace trimtab::flow

#include "flow/worker_main.h"

#include <cstdio>
#include <fstream>
#include <iostream>
#include <string>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "flow/task.h"
#include "table/engine.h"

namespace trimtab::flow {
namespace {

constexpr TimeUs kProgressEveryUs = 100'000;

double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

// Peak memory since reset_peak, from the kernel's high-water mark.
std::uint64_t peak_rss_bytes() {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    std::uint64_t kilobytes = 0;
    if (word == "VmHWM:" && status >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

void reset_peak() { std::ofstream("/proc/self/clear_refs") << "5"; }

void say(const Json& line) {
  const std::string text = line.dump() + "\n";
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

Json error_json(const Error& error) {
  Json json = Json::object();
  std::string message = error.message;
  for (const Error* cause = error.cause.get(); cause != nullptr; cause = cause->cause.get()) {
    message += ": " + cause->message;
  }
  json.set("code", base::error_row(error.code).name).set("message", message).set("hint", error.hint);
  if (table::is_out_of_memory(error)) json.set("out_of_memory", true);
  if (error.where) {
    Json where = Json::object();
    where.set("file", error.where->file).set("line", error.where->line).set("column", error.where->column);
    json.set("where", std::move(where));
  }
  return json;
}

// Progress at most ten times a second, so that a quick loop does not drown in words.
class Reporter {
 public:
  bool operator()(std::int64_t done, std::int64_t total, std::string_view unit) {
    const TimeUs now = base::steady_now();
    if (now - last_ < kProgressEveryUs) return true;
    last_ = now;
    Json progress = Json::object();
    progress.set("done", done).set("total", total).set("unit", unit);
    say(Json::object({{"progress", std::move(progress)}}));
    return true;
  }

 private:
  TimeUs last_ = base::steady_now();
};

struct Inputs {
  std::map<std::string, std::vector<std::filesystem::path>> files;
  std::uint64_t bytes = 0;
};

Inputs read_inputs(const Json& json) {
  Inputs inputs;
  for (const auto& [name, paths] : json.as_object()) {
    std::vector<std::filesystem::path>& list = inputs.files[name];
    for (const Json& path : paths.as_array()) {
      list.emplace_back(path.as_string());
      std::error_code absent;
      const std::uint64_t size = std::filesystem::file_size(list.back(), absent);
      if (!absent) inputs.bytes += size;
    }
  }
  return inputs;
}

Result<Json> run_operation(table::Engine& engine, const Json& line, Inputs& inputs) {
  const OperationEntry* operation = find_operation(line.text_or("operation"));
  if (operation == nullptr) {
    return fail(ErrorCode::internal, "no operation is called '" + line.text_or("operation") + "'");
  }
  const table::OperationRun run{.engine = engine,
                                .params = line["params"],
                                .inputs = std::move(inputs.files),
                                .output_folder = line.text_or("output"),
                                .threads = static_cast<int>(line.int_or("threads", 1)),
                                .progress = Reporter()};
  return operation->run(run);
}

// The answer to one task: what came of it, and what it used either way.
Json run_task(table::Engine& engine, const Json& line) {
  reset_peak();
  const double cpu_before = cpu_seconds();
  const TimeUs started = base::steady_now();
  Inputs inputs = read_inputs(line["inputs"]);
  Result<Json> values = run_operation(engine, line, inputs);
  Json resources = Json::object();
  resources.set("cpu_s", cpu_seconds() - cpu_before);
  resources.set("wall_s", static_cast<double>(base::steady_now() - started) / 1e6);
  resources.set("peak_rss_bytes", peak_rss_bytes()).set("bytes_read", inputs.bytes);
  if (values) resources.set("rows", values->int_or("rows"));
  Json answer = values ? Json::object({{"values", std::move(*values)}})
                       : Json::object({{"error", error_json(values.error())}});
  return answer.set("resources", std::move(resources)).set("process_cpu_s", cpu_seconds());
}

}  // namespace

int worker_main(const std::vector<std::string>& folders, std::uint64_t memory_bytes_max) {
  table::EngineOptions options;
  options.folders_allowed = folders;
  // The engine gives up in good order before the kernel's limit on the address space does it in bad.
  options.memory_bytes_max = memory_bytes_max / 2;
  const Result<std::unique_ptr<table::Engine>> engine = table::Engine::open(options);
  if (!engine) {
    std::fprintf(stderr, "%s\n", base::render(engine.error()).c_str());
    return base::error_row(engine.error().code).exit_code;
  }
  std::string text;
  while (std::getline(std::cin, text)) {
    const Result<Json> line = base::parse_json(text);
    say(line ? run_task(**engine, *line) : Json::object({{"error", error_json(line.error())}}));
  }
  return 0;
}

}  // namespace trimtab::flow

#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <utility>

#include "app/progress.h"
#include "app/verbs/verb_list.h"
#include "app/verbs/workbench.h"
#include "app/wiring.h"
#include "base/file.h"
#include "base/id.h"
#include "flow/score.h"
#include "flow/scored_rows.h"
#include "flow/scoring_kit.h"
#include "flow/worker.h"
#include "project/load.h"

namespace trimtab::app {
namespace {

namespace fs = std::filesystem;

// A folder beside the output, on its file system, in which the file grows until it is whole.
class Workspace {
 public:
  static Result<Workspace> make(const fs::path& output) {
    const fs::path folder = output.parent_path() / (".trimtab-score-" + base::random_id());
    std::error_code failed;
    if (!fs::is_directory(output.parent_path(), failed)) {
      return fail(ErrorCode::not_found, "there is no folder '" + output.parent_path().string() + "'",
                  "make it, or name another file with -o");
    }
    TRY(base::make_folders(folder));
    return Workspace(folder);
  }
  Workspace(Workspace&& other) noexcept : folder_(std::exchange(other.folder_, {})) {}
  Workspace& operator=(Workspace&&) = delete;
  ~Workspace() {
    if (!folder_.empty()) (void)base::remove_tree(folder_);
  }
  const fs::path& folder() const { return folder_; }

 private:
  explicit Workspace(fs::path folder) : folder_(std::move(folder)) {}
  fs::path folder_;
};

Result<std::vector<std::string>> find_inputs(const std::vector<std::string>& names) {
  std::vector<std::string> files;
  for (const std::string& name : names) {
    std::error_code failed;
    const fs::path path = fs::absolute(name, failed).lexically_normal();
    if (!fs::is_regular_file(path, failed)) {
      const bool is_folder = fs::is_directory(path, failed);
      return fail(ErrorCode::not_found,
                  is_folder ? "'" + name + "' is a folder" : "there is no file '" + name + "'",
                  is_folder ? "name its files, as in " + name + "/*.csv" : "");
    }
    files.push_back(path.string());
  }
  return files;
}

fs::path output_for(const Arguments& arguments) {
  if (!arguments.output.empty()) return fs::absolute(arguments.output).lexically_normal();
  return fs::absolute(fs::path(arguments.files.front()).stem().string() + ".scored.csv");
}

Result<flow::ScoringKit> kit_for(const Arguments& arguments, const project::Project& project,
                                 const std::string& home) {
  if (std::optional<http::Client> server = TRY(find_running_server(home))) {
    return flow::ScoringKit::from_json(
        TRY(ask(*server, "GET", "/api/v1/scoring/" + as_path_step(arguments.name))));
  }
  base::SystemClock clock;
  const std::unique_ptr<store::Home> owned = TRY(store::Home::open(home, clock));
  return flow::find_scoring_kit(project, *owned, arguments.name);
}

// Blobs never change, so the worker reads them whoever owns the home.
std::map<std::string, std::vector<std::string>> inputs_of(const flow::ScoringKit& kit, const fs::path& home,
                                                          const std::vector<std::string>& files) {
  std::map<std::string, std::vector<std::string>> inputs;
  const store::Blobs blobs(home / "blobs");
  for (const auto& [name, hashes] : kit.blobs) {
    std::vector<std::string>& paths = inputs[name];
    for (const std::string& hash : hashes) paths.push_back(blobs.path(hash).string());
  }
  inputs["file"] = files;
  return inputs;
}

// Set by ctrl-C: the step is stopped and what it had written is removed.
std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void listen_for_interrupts() {
  for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, [](int) { interrupted = true; });
}

Result<Json> run_step(const Arguments& arguments, const flow::ScoringKit& kit, const fs::path& home,
                      const std::vector<std::string>& files, const fs::path& workspace,
                      const std::string& output) {
  flow::WorkerOptions options;
  options.program = own_program();
  options.limits.wall_time_max = 7 * base::kDayUs;  // A year of files takes what it takes.
  options.folders_allowed = {(home / "blobs").string(), workspace.string()};
  for (const std::string& file : files) options.folders_allowed.push_back(fs::path(file).parent_path());
  const std::string version = kit.model + "@" + std::to_string(kit.version);
  const flow::Task task{
      .operation = "score", .label = "score " + version, .params = flow::score_params(kit.read, output)};
  ProgressPrinter progress(ProgressPrinter::style_for(arguments.json));
  progress.started(task);
  flow::Worker worker(options);
  const flow::Worker::Outcome outcome = worker.run(
      task, inputs_of(kit, home, files), workspace.string(),
      [&](const flow::Worker::Progress& now) { progress.progressed(task, now.done, now.total, now.unit); },
      &interrupted);
  if (!outcome.values) return fail(outcome.values.error());
  flow::TaskResult result;
  result.resources = outcome.resources;
  progress.finished(task, result);
  return outcome.values;
}

}  // namespace

Status score_verb(const Arguments& arguments) {
  const project::Project project = TRY(project::load(arguments.project));
  const std::vector<std::string> files = TRY(find_inputs(arguments.files));
  const fs::path output = output_for(arguments);
  TRY(flow::check_scored_name(output));
  if (std::find(files.begin(), files.end(), output.string()) != files.end()) {
    return fail(ErrorCode::invalid, "'" + arguments.output + "' is one of the files to score",
                "name another file with -o");
  }
  const fs::path home = fs::absolute(home_folder(arguments, project)).lexically_normal();
  const flow::ScoringKit kit = TRY(kit_for(arguments, project, home.string()));
  listen_for_interrupts();
  const Workspace workspace = TRY(Workspace::make(output));
  const std::string name = "scored" + output.extension().string();
  const Json values = TRY(run_step(arguments, kit, home, files, workspace.folder(), name));
  TRY(base::move_file_durably(workspace.folder() / name, output));
  const std::string version = kit.model + " version " + std::to_string(kit.version);
  const std::string shown = output.lexically_proximate(fs::current_path()).string();
  const std::int64_t rows = values.int_or("rows");
  Json json = Json::object({{"output", output.string()}, {"model", kit.model}, {"version", kit.version}});
  json.set("rows", rows).set("files", values["files"]);
  print_report(arguments, shown + ": " + std::to_string(rows) + " rows scored by " + version + "\n", json);
  return {};
}

}  // namespace trimtab::app

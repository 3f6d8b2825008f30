#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/stat.h>
#include <utility>

#include "app/progress.h"
#include "app/verbs/verb_list.h"
#include "app/verbs/workbench.h"
#include "app/wiring.h"
#include "base/file.h"
#include "base/hash.h"
#include "flow/score.h"
#include "flow/scored_rows.h"
#include "flow/scoring_kit.h"
#include "flow/worker.h"
#include "model/booster.h"
#include "project/load.h"
#include "table/engine.h"

namespace trimtab::app {
namespace {

namespace fs = std::filesystem;

// A folder beside the output, on its file system, in which the file grows until it is whole. It is named by
// the output: a scoring that was interrupted, even by a kill, goes on in it when the same is asked for again.
class Workspace {
 public:
  // `key`: everything that the output's bytes follow from; what was begun with another is thrown away.
  // Errors: not_found (no such folder), conflict (somebody else writes that output), storage_*.
  static Result<Workspace> make(const fs::path& output, const std::string& key) {
    std::error_code failed;
    if (!fs::is_directory(output.parent_path(), failed)) {
      return fail(ErrorCode::not_found, "there is no folder '" + output.parent_path().string() + "'",
                  "make it, or name another file with -o");
    }
    const std::string name = base::sha256(output.filename().string()).substr(0, 16);
    Workspace made(output.parent_path() / (".trimtab-score-" + name));
    TRY(base::make_folders(made.folder_));
    TRY(made.lock(output));
    const fs::path key_file = made.folder_ / "key";
    const Result<std::string> begun_with = base::read_file(key_file, 4096);
    if (begun_with && *begun_with == key) return made;
    TRY(base::remove_tree(made.folder_ / "parts"));
    TRY(base::write_file_durably(key_file, key));
    return made;
  }
  const fs::path& folder() const { return folder_; }
  // Nothing in it is of use any longer.
  void remove() { (void)base::remove_tree(folder_); }

 private:
  explicit Workspace(fs::path folder) : folder_(std::move(folder)) {}

  Status lock(const fs::path& output) {
    const fs::path file = folder_ / "lock";
    lock_ = base::Descriptor(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!lock_) return fail(base::errno_error(errno, "cannot open '" + file.string() + "'"));
    if (::flock(lock_.get(), LOCK_EX | LOCK_NB) == 0) return {};
    return fail(ErrorCode::conflict, "'" + output.string() + "' is being written by another `trimtab score`",
                "wait for it, or name another file with -o");
  }

  fs::path folder_;
  base::Descriptor lock_;
};

// Everything that the bytes of the output follow from: how and with what is scored, and what the files are.
std::string key_of(const flow::ScoringKit& kit, const std::vector<std::string>& files,
                   const fs::path& output) {
  Json inputs = Json::array();
  for (const std::string& file : files) {
    struct stat facts{};
    (void)::stat(file.c_str(), &facts);
    Json one = Json::object({{"path", file}, {"bytes", static_cast<std::int64_t>(facts.st_size)}});
    one.set("inode", static_cast<std::int64_t>(facts.st_ino));
    one.set("seconds", static_cast<std::int64_t>(facts.st_mtim.tv_sec));
    inputs.push(one.set("nanoseconds", static_cast<std::int64_t>(facts.st_mtim.tv_nsec)));
  }
  Json json = Json::object({{"kit", kit.to_json()}, {"files", std::move(inputs)}});
  json.set("output", output.string()).set("program", TRIMTAB_VERSION);
  json.set("engine", table::engine_version()).set("booster", model::booster_version());
  return base::sha256(json.dump());
}

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

// Set by ctrl-C: the step is stopped; asked for again, it goes on.
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
  TRY(expect_named_home(arguments, home.string()));
  const flow::ScoringKit kit = TRY(kit_for(arguments, project, home.string()));
  listen_for_interrupts();
  Workspace workspace = TRY(Workspace::make(output, key_of(kit, files, output)));
  const std::string name = "scored" + output.extension().string();
  const Result<Json> scored = run_step(arguments, kit, home, files, workspace.folder(), name);
  if (!scored) {
    // What was interrupted is gone on with; what was refused would be refused again.
    if (scored.error().code == ErrorCode::invalid) workspace.remove();
    return fail(scored.error());
  }
  const Json& values = *scored;
  TRY(base::move_file_durably(workspace.folder() / name, output));
  workspace.remove();
  const std::string version = kit.model + " version " + std::to_string(kit.version);
  const std::string shown = output.lexically_proximate(fs::current_path()).string();
  const std::int64_t rows = values.int_or("rows");
  Json json = Json::object({{"output", output.string()}, {"model", kit.model}, {"version", kit.version}});
  const std::int64_t resumed = values.int_or("resumed_rows");
  json.set("rows", rows).set("resumed_rows", resumed).set("files", values["files"]);
  const std::string before =
      resumed == 0 ? "" : ", " + std::to_string(resumed) + " of them before it was interrupted";
  print_report(arguments, shown + ": " + std::to_string(rows) + " rows scored by " + version + before + "\n",
               json);
  return {};
}

}  // namespace trimtab::app

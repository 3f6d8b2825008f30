// What a verb needs before it can begin: the project, and either the home itself or the server that owns it.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "app/command_line.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "flow/executor.h"
#include "http/client.h"
#include "plan/plan.h"
#include "project/project.h"
#include "store/home.h"
#include "table/engine.h"

namespace trimtab::app {

// A folder that goes with its owner.
class PassingFolder {
 public:
  // In the system's folder for such. Errors: internal (it cannot be made).
  static Result<std::unique_ptr<PassingFolder>> make();
  ~PassingFolder();
  PassingFolder(const PassingFolder&) = delete;
  PassingFolder& operator=(const PassingFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  explicit PassingFolder(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

// A project opened for work in this process; it owns the home until it goes.
struct Workbench {
  std::unique_ptr<PassingFolder> passing;  // Of a home that is kept nowhere; null: it is kept.
  project::Project project;
  base::SystemClock clock;
  std::unique_ptr<store::Home> home;
  std::unique_ptr<table::Engine> engine;
  flow::ExecutorOptions executor;

  plan::Workplace workplace() { return {project, *home, *engine, clock, executor}; }
};

std::string home_folder(const Arguments& arguments, const project::Project& project);
// Errors: the project's diagnostics; home_locked.
Result<std::unique_ptr<Workbench>> open_workbench(const Arguments& arguments);
// The same from a project that is loaded already.
Result<std::unique_ptr<Workbench>> open_workbench(const std::string& home, project::Project project);

// The same for a verb that only looks: where there is no home it makes none that stays.
Result<std::unique_ptr<Workbench>> open_workbench_to_look(const std::string& home, project::Project project);

// For verbs that make no home: a mistyped one is none. Errors: not_found, with what to do.
Status expect_home(const std::string& home);
// The same when --home or TRIMTAB_HOME names it: a project whose own home is not made yet is no mistake.
Status expect_named_home(const Arguments& arguments, const std::string& home);

// The project that the arguments name; one without a name when only a home is named and no trimtab.yaml is
// here: a home of the record alone, which keeps the runs of MLflow's clients. Errors: the project's
// diagnostics.
Result<project::Project> load_project_or_none(const Arguments& arguments);
// open_workbench() for verbs that need the home and no project, and make none. Errors: not_found, too.
Result<std::unique_ptr<Workbench>> open_home_of(const Arguments& arguments);

// A connection to the server that owns the home, when there is one; sends the home's token.
Result<std::optional<http::Client>> find_running_server(const std::string& home);
// A text as one step of a URL's path.
std::string as_path_step(std::string_view text);
// Sends and unwraps: a native error body becomes the Error that it describes.
Result<Json> ask(http::Client& server, const std::string& method, const std::string& path,
                 const Json& body = nullptr);
Result<Json> unwrap(int status, const std::string& body);

// A project file as the server's routes take it.
Json project_json(const project::Project& project);

// Prints a report on standard output: as text, or as JSON when asked.
void print_report(const Arguments& arguments, const std::string& text, const Json& json);

}  // namespace trimtab::app

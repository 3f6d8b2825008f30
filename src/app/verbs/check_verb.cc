#include "app/verbs/verb_list.h"
#include "app/verbs/workbench.h"
#include "flow/pipeline.h"
#include "project/load.h"

namespace trimtab::app {
namespace {

std::string count(std::size_t number, const std::string& what) {
  return std::to_string(number) + " " + what + (number == 1 ? "" : "s");
}

Status check_here(const std::string& home, project::Project project) {
  const std::unique_ptr<Workbench> bench = TRY(open_workbench_to_look(home, std::move(project)));
  flow::ExecutorOptions options = bench->executor;
  options.dry_run = true;
  flow::Executor executor(*bench->home, bench->clock, options);
  flow::Pipeline pipeline(bench->project, *bench->home, *bench->engine, executor, bench->clock);
  flow::ProgressListener silent;
  return pipeline.validate(silent);
}

}  // namespace

// Everything that can be wrong with the file, also against its data; nothing is run or kept.
Status check_verb(const Arguments& arguments) {
  const project::Project project = TRY(project::load(arguments.project));
  const std::string home = home_folder(arguments, project);
  if (std::optional<http::Client> server = TRY(find_running_server(home))) {
    TRY(ask(*server, "POST", "/api/v1/plan", project_json(project).set("only_check", true)));
  } else {
    TRY(check_here(home, project));
  }
  const std::string text = project.file + " is in order: " + count(project.sources.size(), "source") + ", " +
                           count(project.tables.size(), "table") + ", " +
                           count(project.models.size(), "model") + ", " +
                           count(project.endpoints.size(), "endpoint") + "\n";
  print_report(arguments, text, Json::object({{"ok", true}}));
  return {};
}

}  // namespace trimtab::app

#include "app/verbs/verb_list.h"
#include "app/verbs/workbench.h"
#include "flow/pipeline.h"
#include "project/load.h"

namespace trimtab::app {

// Everything that can be wrong with the file, also against its data; nothing is run or kept.
Status check_verb(const Arguments& arguments) {
  const std::unique_ptr<Workbench> bench = TRY(open_workbench(arguments));
  flow::ExecutorOptions options = bench->executor;
  options.dry_run = true;
  flow::Executor executor(*bench->home, bench->clock, options);
  flow::Pipeline pipeline(bench->project, *bench->home, *bench->engine, executor, bench->clock);
  flow::ProgressListener silent;
  TRY(pipeline.validate(silent));
  const std::string text = bench->project.file +
                           " is in order: " + std::to_string(bench->project.sources.size()) + " sources, " +
                           std::to_string(bench->project.tables.size()) + " tables, " +
                           std::to_string(bench->project.models.size()) + " models, " +
                           std::to_string(bench->project.endpoints.size()) + " endpoints\n";
  print_report(arguments, text, Json::object({{"ok", true}}));
  return {};
}

}  // namespace trimtab::app

#include "app/verbs/verb_list.h"
#include "app/verbs/workbench.h"
#include "registry/model_history.h"

namespace trimtab::app {

Status history_verb(const Arguments& arguments) {
  const std::string folder = home_folder(arguments, TRY(load_project_or_none(arguments)));
  TRY(expect_home(folder));
  Json report;
  if (std::optional<http::Client> server = TRY(find_running_server(folder))) {
    report = TRY(ask(*server, "GET", "/api/v1/models/" + as_path_step(arguments.name) + "/history"));
  } else {
    base::SystemClock clock;
    const std::unique_ptr<store::Home> home = TRY(store::Home::open(folder, clock));
    report = registry::history_json(arguments.name, TRY(registry::model_history(*home, arguments.name)));
  }
  print_report(arguments, report.text_or("text"), report);
  return {};
}

}  // namespace trimtab::app

#include "app/verbs/verb_list.h"
#include "app/verbs/workbench.h"
#include "plan/plan.h"
#include "project/load.h"

namespace trimtab::app {

Status plan_verb(const Arguments& arguments) {
  project::Project project = TRY(project::load(arguments.project));
  const std::string home = home_folder(arguments, project);
  if (std::optional<http::Client> server = TRY(find_running_server(home))) {
    Json wish = project_json(project);
    if (arguments.as_of) wish.set("as_of", base::format_time(*arguments.as_of));
    const Json plan = TRY(ask(*server, "POST", "/api/v1/plan", wish));
    print_report(arguments, plan.text_or("text"), plan);
    return {};
  }
  const std::unique_ptr<Workbench> bench = TRY(open_workbench_to_look(home, std::move(project)));
  const TimeUs as_of = plan::as_of_for(bench->project, arguments.as_of, bench->clock);
  const plan::Plan plan = TRY(plan::make_plan(bench->workplace(), as_of));
  print_report(arguments, plan.to_text(), plan.to_json());
  return {};
}

}  // namespace trimtab::app

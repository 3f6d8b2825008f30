#include "app/verbs/verb_list.h"
#include "app/verbs/workbench.h"
#include "plan/plan.h"

namespace trimtab::app {

Status plan_verb(const Arguments& arguments) {
  const std::unique_ptr<Workbench> bench = TRY(open_workbench(arguments));
  const TimeUs as_of = plan::as_of_for(bench->project, arguments.as_of, bench->clock);
  const plan::Plan plan = TRY(plan::make_plan(bench->workplace(), as_of));
  print_report(arguments, plan.to_text(), plan.to_json());
  return {};
}

}  // namespace trimtab::app

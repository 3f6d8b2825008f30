#include "app/verbs/verb_list.h"
#include "app/verbs/workbench.h"
#include "heal/approval.h"
#include "heal/hand_rollback.h"
#include "project/load.h"

namespace trimtab::app {
namespace {

Result<Json> ask_server(http::Client& server, const heal::PlanDecision& wish) {
  Json body = Json::object({{"reason", wish.reason}});
  if (wish.plan) body.set("plan", *wish.plan);
  return ask(server, "POST",
             "/api/v1/incidents/" + std::to_string(wish.incident) + (wish.approves ? "/approve" : "/reject"),
             body);
}

// The treatment stands in the journal then; the next server carries it out.
Result<Json> do_it_here(const std::string& home_folder, const heal::PlanDecision& wish) {
  base::SystemClock clock;
  const std::unique_ptr<store::Home> home = TRY(store::Home::open(home_folder, clock));
  const std::string endpoint = TRY(heal::endpoint_of_incident(*home, wish.incident));
  heal::PolicyState policy = TRY(heal::kept_policy(*home, endpoint));
  return TRY(heal::decide_on_plan(*home, clock, wish, policy)).to_json();
}

Status decide(const Arguments& arguments, bool approves) {
  const std::string home = home_folder(arguments, TRY(project::load(arguments.project)));
  TRY(expect_named_home(arguments, home));
  heal::PlanDecision wish;
  wish.incident = arguments.incident.value_or(0);
  wish.plan = arguments.plan;
  wish.approves = approves;
  wish.reason = arguments.reason;
  std::optional<http::Client> server = TRY(find_running_server(home));
  const Json report = TRY(server ? ask_server(*server, wish) : do_it_here(home, wish));
  print_report(arguments, report.text_or("text"), report);
  return {};
}

}  // namespace

Status approve_verb(const Arguments& arguments) { return decide(arguments, true); }

Status reject_verb(const Arguments& arguments) { return decide(arguments, false); }

}  // namespace trimtab::app

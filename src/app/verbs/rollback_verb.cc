#include "app/verbs/verb_list.h"
#include "app/verbs/workbench.h"
#include "heal/hand_rollback.h"
#include "project/load.h"

namespace trimtab::app {
namespace {

Result<Json> ask_server(http::Client& server, const heal::HandRollback& wish) {
  Json body = Json::object({{"reason", wish.reason}});
  if (wish.to) body.set("to", *wish.to);
  return ask(server, "POST", "/api/v1/endpoints/" + as_path_step(wish.endpoint) + "/rollback", body);
}

Result<Json> do_it_here(const std::string& home_folder, const heal::HandRollback& wish) {
  base::SystemClock clock;
  const std::unique_ptr<store::Home> home = TRY(store::Home::open(home_folder, clock));
  heal::PolicyState policy = TRY(heal::kept_policy(*home, wish.endpoint));
  return TRY(heal::roll_back_by_hand(*home, clock, wish, policy)).to_json();
}

}  // namespace

Status rollback_verb(const Arguments& arguments) {
  const std::string home = home_folder(arguments, TRY(project::load(arguments.project)));
  TRY(expect_named_home(arguments, home));
  heal::HandRollback wish;
  wish.endpoint = arguments.name;
  wish.to = arguments.to_version;
  wish.reason = arguments.reason;
  std::optional<http::Client> server = TRY(find_running_server(home));
  const Json report = TRY(server ? ask_server(*server, wish) : do_it_here(home, wish));
  print_report(arguments, report.text_or("text"), report);
  return {};
}

}  // namespace trimtab::app

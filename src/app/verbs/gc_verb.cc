#include "app/garbage.h"
#include "app/verbs/verb_list.h"
#include "app/verbs/workbench.h"

namespace trimtab::app {
namespace {

Result<Json> do_it_here(const std::string& folder, const GarbageWish& wish) {
  base::SystemClock clock;
  const std::unique_ptr<store::Home> home = TRY(store::Home::open(folder, clock));
  const std::unique_ptr<registry::RunBook> runs = TRY(registry::RunBook::open(*home, clock));
  const auto at_once = [](const std::function<Status()>& work) { return work(); };
  return TRY(collect_garbage(*home, *runs, clock, wish, "cli", 0, at_once)).to_json();
}

}  // namespace

Status gc_verb(const Arguments& arguments) {
  const project::Project project = TRY(load_project_or_none(arguments));
  const std::string home = home_folder(arguments, project);
  TRY(expect_home(home));
  const Json options = Json::object({{"older_than", arguments.older_than}, {"dry_run", arguments.dry_run}});
  const GarbageWish wish = TRY(GarbageWish::from_json(options, project.retention));
  std::optional<http::Client> server = TRY(find_running_server(home));
  const Json report = TRY(server ? ask(*server, "POST", "/api/v1/gc", options) : do_it_here(home, wish));
  print_report(arguments, report.text_or("text"), report);
  return {};
}

}  // namespace trimtab::app

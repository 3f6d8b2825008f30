#include <filesystem>

#include "app/backup_report.h"
#include "app/verbs/verb_list.h"
#include "app/verbs/workbench.h"

namespace trimtab::app {

Status backup_verb(const Arguments& arguments) {
  const std::string home = home_folder(arguments, TRY(load_project_or_none(arguments)));
  TRY(expect_home(home));
  const std::string target = std::filesystem::absolute(arguments.folder).lexically_normal().string();
  Json report;
  if (std::optional<http::Client> server = TRY(find_running_server(home))) {
    report = TRY(ask(*server, "POST", "/api/v1/backup", Json::object({{"to", target}})));
  } else {
    base::SystemClock clock;
    const TimeUs began = base::steady_now();
    const std::unique_ptr<store::Home> opened = TRY(store::Home::open(home, clock));
    const store::BackupReport made = TRY(store::back_up(*opened, clock, target));
    report = backup_json(made, "Backed up", base::steady_now() - began, after_backup(target));
  }
  print_report(arguments, report.text_or("text"), report);
  return {};
}

}  // namespace trimtab::app

#include "app/verbs/verb_list.h"
#include "app/verbs/workbench.h"
#include "registry/record_check.h"
#include "serve/prediction_log.h"
#include "store/fsck.h"

namespace trimtab::app {
namespace {

Status check_logs(store::Home& home, std::vector<std::string>& problems) {
  std::error_code absent;
  for (const auto& entry : std::filesystem::directory_iterator(home.log_folder(), absent)) {
    if (!entry.is_directory()) continue;
    const Result<std::unique_ptr<serve::PredictionLog>> log = serve::PredictionLog::open(entry.path());
    if (!log) problems.push_back(log.error().message);
    if (log) TRY((*log)->check(problems));
  }
  return {};
}

}  // namespace

Status fsck_verb(const Arguments& arguments) {
  const std::unique_ptr<Workbench> bench = TRY(open_home_of(arguments));
  store::FsckReport report;
  store::check_store(*bench->home, report, {.quick = !arguments.full});
  TRY(registry::check_record(*bench->home, report.problems));
  TRY(check_logs(*bench->home, report.problems));
  Json list = Json::array();
  std::string text;
  for (const std::string& problem : report.problems) {
    list.push(problem);
    text += "problem: " + problem + "\n";
  }
  if (report.problems.empty()) text = "The home is whole.\n";
  print_report(arguments, text, Json::object({{"problems", std::move(list)}}));
  if (report.problems.empty()) return {};
  return fail(ErrorCode::storage_broken, std::to_string(report.problems.size()) + " problems were found");
}

}  // namespace trimtab::app

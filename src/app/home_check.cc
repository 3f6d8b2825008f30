#include "app/home_check.h"

#include <filesystem>

#include "registry/record_check.h"
#include "serve/prediction_log.h"

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

Result<store::FsckReport> check_home(store::Home& home, bool full) {
  store::FsckReport report;
  store::check_store(home, report, {.quick = !full});
  TRY(registry::check_record(home, report.problems));
  TRY(check_logs(home, report.problems));
  return report;
}

}  // namespace trimtab::app

#include "app/home_check.h"

#include <filesystem>

#include "app/garbage.h"
#include "registry/orphan_files.h"
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

// They take space and harm nothing.
Status note_orphans(store::Home& home, std::vector<std::string>& notes) {
  const registry::OrphanFiles orphans = TRY(registry::find_orphan_files(home, 0));
  for (const std::string& place : orphans.places)
    notes.push_back("the artifact '" + place + "' belongs to no run, model, trace or experiment");
  if (!orphans.places.empty()) {
    notes.push_back("`trimtab gc` gives back " + bytes_text(orphans.bytes) +
                    " of such artifacts when they are older than its --older-than");
  }
  return {};
}

}  // namespace

Result<store::FsckReport> check_home(store::Home& home, bool full) {
  store::FsckReport report;
  store::check_store(home, report, {.quick = !full});
  TRY(registry::check_record(home, report.problems));
  TRY(check_logs(home, report.problems));
  if (full) TRY(note_orphans(home, report.notes));
  return report;
}

}  // namespace trimtab::app

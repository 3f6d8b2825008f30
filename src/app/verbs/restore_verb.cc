// A home is made beside its place, checked, and only then given its name: an interrupted restore leaves
// nothing that a server would take for a home.
#include <filesystem>

#include "app/backup_report.h"
#include "app/home_check.h"
#include "app/verbs/verb_list.h"
#include "app/verbs/workbench.h"
#include "base/file.h"

namespace trimtab::app {
namespace {

namespace fs = std::filesystem;

Status verify(const fs::path& staged) {
  base::SystemClock clock;
  const std::unique_ptr<store::Home> home = TRY(store::Home::open(staged, clock));
  const store::FsckReport report = TRY(check_home(*home, true));
  if (report.problems.empty()) return {};
  return fail(ErrorCode::storage_broken,
              "the backup is damaged (" + std::to_string(report.problems.size()) +
                  " problems): " + report.problems.front(),
              "use another backup; nothing was restored");
}

Status put_in_place(const fs::path& staged, const fs::path& home) {
  std::error_code failure;
  fs::remove(home, failure);  // When it is an empty folder.
  fs::rename(staged, home, failure);
  if (failure) {
    return fail(
        base::errno_error(failure.value(), "cannot move the restored home to '" + home.string() + "'"));
  }
  return base::sync_folder(home.parent_path());
}

}  // namespace

Status restore_verb(const Arguments& arguments) {
  const project::Project project = TRY(load_project_or_none(arguments));
  const fs::path home = fs::absolute(home_folder(arguments, project)).lexically_normal();
  TRY(store::expect_empty(home, "the home"));
  const fs::path staged = home.string() + ".restoring";
  const TimeUs began = base::steady_now();
  TRY(base::remove_tree(staged));
  const Result<store::BackupReport> restored = store::restore_to(arguments.folder, staged);
  Status done = restored ? verify(staged) : Status(fail(restored.error()));
  if (done) done = put_in_place(staged, home);
  if (!done) {
    static_cast<void>(base::remove_tree(staged));
    return done;
  }
  const Json report =
      backup_json(*restored, "Restored", base::steady_now() - began,
                  "It is as it was at " + base::format_time(restored->made_at) +
                      ", and fsck --full found nothing. Start it: trimtab serve --home " + home.string());
  print_report(arguments, report.text_or("text"), report);
  return {};
}

}  // namespace trimtab::app

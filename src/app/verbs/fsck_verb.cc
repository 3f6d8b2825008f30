#include "app/home_check.h"
#include "app/verbs/verb_list.h"
#include "app/verbs/workbench.h"

namespace trimtab::app {

Status fsck_verb(const Arguments& arguments) {
  const std::unique_ptr<Workbench> bench = TRY(open_home_of(arguments));
  const store::FsckReport report = TRY(check_home(*bench->home, arguments.full));
  Json list = Json::array();
  std::string text;
  for (const std::string& problem : report.problems) {
    list.push(problem);
    text += "problem: " + problem + "\n";
  }
  Json notes = Json::array();
  for (const std::string& note : report.notes) {
    notes.push(note);
    text += "note: " + note + "\n";
  }
  if (report.problems.empty()) text += "The home is whole.\n";
  print_report(arguments, text, Json::object({{"problems", std::move(list)}, {"notes", std::move(notes)}}));
  if (report.problems.empty()) return {};
  return fail(ErrorCode::storage_broken, std::to_string(report.problems.size()) + " problems were found");
}

}  // namespace trimtab::app

#include <filesystem>

#include "app/verbs/verb_list.h"
#include "app/verbs/workbench.h"
#include "bridges/sagemaker/monitor_folder.h"
#include "project/load.h"

namespace trimtab::app {
namespace {

namespace fs = std::filesystem;

std::string counted(std::int64_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

std::string import_text(const bridges::MonitorImport& done, const std::string& output) {
  std::string text = done.checks;
  if (!text.empty()) text = "# The same in a trimtab.yaml, below a table; review it:\n" + text;
  if (!done.violations.as_array().empty()) {
    text += counted(static_cast<std::int64_t>(done.violations.as_array().size()), "violation") +
            " that the monitor had found:\n";
  }
  for (const Json& violation : done.violations.as_array()) {
    text += "  " + violation.text_or("feature_name") + ": " + violation.text_or("constraint_check_type") +
            ", " + violation.text_or("description") + "\n";
  }
  if (done.captured_rows > 0) {
    text += output + ": " + counted(done.captured_rows, "row") + " of " +
            counted(done.captured_files, "captured file") + "\n";
  }
  return text.empty() ? "The files hold nothing.\n" : text;
}

}  // namespace

Status import_sagemaker(const Arguments& arguments) {
  const std::string output = arguments.output.empty() ? "captured.csv" : arguments.output;
  const bridges::MonitorImport done =
      TRY(bridges::import_monitor_folder(arguments.source, fs::absolute(output).lexically_normal()));
  Json json = Json::object({{"checks", done.checks}, {"captured_rows", done.captured_rows}});
  json.set("captured_files", done.captured_files).set("violations", done.violations);
  json.set("output", done.captured_rows > 0 ? Json(output) : Json());
  print_report(arguments, import_text(done, output), json);
  return {};
}

Status export_sagemaker(const Arguments& arguments) {
  if (arguments.endpoint.empty()) {
    return fail(ErrorCode::invalid, "whose predictions are to be exported is not said",
                "write --endpoint NAME");
  }
  project::Project project = TRY(project::load(arguments.project));
  const std::string home = home_folder(arguments, project);
  TRY(expect_named_home(arguments, home));
  const std::unique_ptr<Workbench> bench = TRY(open_workbench_to_look(home, std::move(project)));
  const bridges::MonitorExport done = TRY(bridges::export_monitor_folder(
      bench->project, *bench->home, *bench->engine, arguments.endpoint, arguments.target));
  Json json = Json::object({{"folder", arguments.target}, {"baseline_rows", done.baseline_rows}});
  json.set("captured_rows", done.captured_rows).set("violations", done.violations);
  print_report(arguments,
               arguments.target + ": statistics and constraints of " + counted(done.baseline_rows, "row") +
                   ", " + counted(done.captured_rows, "captured call") + ", " +
                   counted(done.violations, "violation") + "\n",
               json);
  return {};
}

}  // namespace trimtab::app

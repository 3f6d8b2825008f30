#include <filesystem>

#include "app/verbs/drift_text.h"
#include "app/verbs/verb_list.h"
#include "app/verbs/workbench.h"
#include "flow/file_drift.h"

namespace trimtab::app {

Status drift_verb(const Arguments& arguments) {
  const std::filesystem::path reference = std::filesystem::absolute(arguments.files[0]);
  const std::filesystem::path current = std::filesystem::absolute(arguments.files[1]);
  table::EngineOptions options;
  options.folders_allowed = {reference.parent_path().string(), current.parent_path().string()};
  const std::unique_ptr<table::Engine> engine = TRY(table::Engine::open(options));
  const Json report = TRY(flow::compare_files(*engine, reference, current, arguments.row_by_row));
  const std::string text = report["rows"].dump() + " rows, against the " + report["reference_rows"].dump() +
                           " of " + arguments.files[0] + "\n" + columns_text(report) +
                           rows_text(report["row_by_row"]);
  print_report(arguments, text, report);
  return {};
}

}  // namespace trimtab::app

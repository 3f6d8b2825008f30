// A folder as SageMaker Model Monitor leaves and expects it: the baseline's statistics.json and
// constraints.json, constraint_violations.json, and captured calls as
// <endpoint>/<variant>/yyyy/mm/dd/hh/*.jsonl. Written from what an endpoint was trained on and has served;
// read by those who come from there.
#pragma once

#include <filesystem>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "project/project.h"
#include "store/home.h"
#include "table/engine.h"

namespace trimtab::bridges {

struct MonitorExport {
  std::int64_t baseline_rows = 0;  // Of the source that the model learns from, as it was read last.
  std::int64_t captured_rows = 0;  // Of the prediction log.
  std::int64_t violations = 0;     // Of the captured rows against the baseline.
};

// Writes the columns that the endpoint's champion wants of a request: statistics.json and constraints.json of
// the source's rows, constraint_violations.json of the rows in the prediction log, and these as captured
// calls, an hour a file. Files that are there already are replaced, each whole. `engine` may read the home's
// blobs. Errors: not_found (no such endpoint, nothing serves, the source has not been read), storage_broken,
// storage_full.
Result<MonitorExport> export_monitor_folder(const project::Project& project, store::Home& home,
                                            table::Engine& engine, const std::string& endpoint,
                                            const std::filesystem::path& folder);

struct MonitorImport {
  std::string checks;  // For a trimtab.yaml, as propose_checks() words them; "": no constraints.json.
  std::int64_t captured_rows = 0;  // Written to the output, which is there when there were any.
  std::int64_t captured_files = 0;
  Json violations = Json::array();  // Of constraint_violations.json.
};

// Reads what is there of these files, the captured calls of the whole tree in the order of their names, and
// writes the latter as one CSV file. Errors: not_found (no such folder, nothing of Model Monitor in it),
// malformed and invalid (naming file and line), too_large (a JSON file over 64 MiB), storage_broken,
// storage_full.
Result<MonitorImport> import_monitor_folder(const std::filesystem::path& folder,
                                            const std::filesystem::path& output);

}  // namespace trimtab::bridges

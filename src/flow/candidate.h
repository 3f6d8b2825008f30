// What a training brought: the artifact's files, how it was judged, and what it was made from. And what the
// record keeps of it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "flow/task.h"
#include "judge/gates.h"
#include "project/project.h"
#include "registry/record.h"

namespace trimtab::flow {

struct Candidate {
  std::string step_key;                     // Of the training step; registers at most once.
  std::map<std::string, OutputFile> files;  // The artifact's files.
  Json metrics;                             // name → Measure, on the test rows.
  std::vector<judge::GateResult> gates;
  OutputFile report;                  // The judge's report.
  OutputFile table;                   // Manifest of the table snapshot it was trained on.
  judge::PairedDifference gain = {};  // Of the champion's losses over the candidate's; no rows: no champion.
  Json facts;                         // Rows, rounds, times, checks.
  bool pending = false;               // Dry run, with steps still to do.
};

registry::NewVersion version_of(const project::Project& project, const std::string& model,
                                const Candidate& candidate, const std::string& actor,
                                const std::string& reason);

}  // namespace trimtab::flow

// What was made, from what, by whom: experiments, runs, registered models and versions in MLflow's shapes,
// with lineage and gate results. A training step registers at most once, whatever crashes and repeats in
// between.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "store/home.h"

namespace trimtab::registry {

struct FileFact {
  std::string sha256;
  std::uint64_t size = 0;
};

// A trained and judged candidate that wants to become a version.
struct NewVersion {
  std::string project;  // Its experiment has the same name.
  std::string model;
  std::string step_key;
  std::map<std::string, FileFact> files;  // The artifact; "manifest.json" among them.
  Json params = Json::object();           // name → text or number; logged as run params.
  Json metrics = Json::object();          // name → number; logged as run metrics.
  Json gates = Json::array();             // judge::GateResult::to_json, in order.
  bool gates_passed = false;
  bool waits = false;                         // They did, but for the people's word (registry/approvals.h).
  std::map<std::string, FileFact> reports;    // Further artifacts of the run, e.g. "report.json".
  std::map<std::string, std::string> inputs;  // Lineage: "snapshot/table/departures" → sha256.
  std::string actor;                          // "cli", a person, "heal", …
  std::string reason;                         // Why it was trained, in words.
};

struct VersionFacts {
  std::string model;
  std::int64_t version = 0;
  std::string run_id;
  std::string step_key;
  std::string manifest_sha256;
  std::string gates;  // "passed", "refused"; "open": it waits for approval, or came without gates.
  std::int64_t created_ms = 0;
  bool is_new = false;  // False when the step key had registered before.
};

// One write: run with params, metrics, tags (trimtab.step_key, mlflow.runName, …), lineage, artifacts,
// version, gate results, audit row. Idempotent by (model, step_key). Errors: name_taken (another project of
// this home owns the model's name).
Result<VersionFacts> register_version(store::Home& home, const base::Clock& clock, const NewVersion& version);

// A version that is known has met other gates than those it was registered with: `version.gates` become its
// gates' results, in one write with an audit row of both decisions. CHECKs that a version that has passed
// passes again: it is never refused in hindsight. Errors: not_found.
Status judge_again(store::Home& home, const base::Clock& clock, const NewVersion& version,
                   std::int64_t number);

// Errors: not_found.
Result<VersionFacts> find_version(store::Home& home, const std::string& model, std::int64_t version);
std::optional<VersionFacts> find_by_step(store::Home& home, const std::string& model,
                                         const std::string& step_key);
Result<std::vector<VersionFacts>> list_versions(store::Home& home, const std::string& model);
Result<Json> run_json(store::Home& home, const std::string& run_id);  // MLflow's run, with data and tags.
Result<Json> gates_json(store::Home& home, const std::string& model, std::int64_t version);

}  // namespace trimtab::registry

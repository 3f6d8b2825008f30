// What another record holds, in this one's words, and how it is written here: under the ids that it had
// there. Each write does nothing when the thing is there already, so that an import that was interrupted is
// simply run again. Every function runs inside a write of store::Database, on a home whose book of runs is
// not open.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "registry/logged_models.h"
#include "registry/model_facts.h"
#include "registry/run_facts.h"
#include "store/connection.h"

namespace trimtab::registry {

struct ImportedExperiment {
  std::int64_t id = 0;  // There.
  std::string name;
  std::string artifact_location;  // There.
  bool is_deleted = false;
  std::int64_t created_ms = 0;
  std::int64_t updated_ms = 0;
  std::vector<KeyValue> tags;
};

struct ImportedRun {
  RunInfo info;  // With the experiment's id and the artifact_uri of there.
  std::int64_t deleted_ms = 0;
  std::vector<KeyValue> params;
  std::vector<KeyValue> tags;
  std::vector<MetricPoint> points;  // All of them.
  std::vector<DatasetInput> datasets;
  std::vector<ModelLink> model_inputs;
  std::vector<ModelLink> model_outputs;
};

struct ImportedLoggedModel {
  LoggedModel model;  // With the experiment's id and the location of there.
  bool is_deleted = false;
};

struct ImportedModel {
  RegisteredModel model;  // Its latest_versions are not looked at.
  std::vector<ModelVersion> versions;
};

// The experiment of that name here; made under the id of there when that is free. `is_new` says whether it
// was made.
struct PlacedExperiment {
  std::int64_t id = 0;
  bool is_new = false;
};
Result<PlacedExperiment> place_experiment(store::Connection& connection,
                                          const ImportedExperiment& experiment);

// The rest puts things into `experiment_id` of here, and returns whether it was new.
Result<bool> place_run(store::Connection& connection, std::int64_t experiment_id, const ImportedRun& run);
Result<bool> place_logged_model(store::Connection& connection, std::int64_t experiment_id,
                                const ImportedLoggedModel& model);
Result<bool> place_model(store::Connection& connection, const RegisteredModel& model);
// Files that a run or logged model of here holds are found by `location`; others where they were. With an
// audit row.
Result<bool> place_version(store::Connection& connection, const ModelVersion& version, TimeUs now);
Result<bool> place_alias(store::Connection& connection, const std::string& model, const AliasFact& alias,
                         TimeUs now);

// Files of "run/<id>" or "logged_model/<id>", whose blobs are there; and which are known already, with their
// size.
struct ImportedFile {
  std::string path;
  std::string sha256;
  std::int64_t size = 0;
};
Status place_files(store::Connection& connection, const std::string& root,
                   const std::vector<ImportedFile>& files);
// `folder` within the root: "" or "a/b/".
Result<std::map<std::string, std::int64_t>> known_files(store::Connection& connection,
                                                        const std::string& root, const std::string& folder);

// Where the files of a run or a logged model are here, whatever the place was called there:
// "/home/x/mlruns/3/ <run>/artifacts/model" is "mlflow-artifacts:/3/<run>/artifacts/model". Other places are
// returned as they are.
std::string location_here(const std::string& location);

}  // namespace trimtab::registry

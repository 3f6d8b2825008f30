// A record of MLflow's, wherever it is kept: read in the words of our own registry.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "registry/imported_rows.h"
#include "registry/imported_traces.h"

namespace trimtab::bridges {

struct ForeignFile {
  std::string path;  // Below the place that was asked for: "model/MLmodel".
  std::int64_t size = 0;
};

// Belongs to one thread. Errors of all: what the place of the record says.
class ForeignRecord {
 public:
  virtual ~ForeignRecord() = default;

  virtual Result<std::vector<registry::ImportedExperiment>> experiments() = 0;
  // Ids of an experiment's runs, deleted ones as well.
  virtual Result<std::vector<std::string>> run_ids(std::int64_t experiment_id) = 0;
  virtual Result<registry::ImportedRun> run(const std::string& id) = 0;
  virtual Result<std::vector<registry::ImportedLoggedModel>> logged_models(std::int64_t experiment_id) = 0;
  virtual Result<std::vector<registry::ImportedModel>> models() = 0;  // Prompts as well.
  // Errors of both, too: unsupported, malformed (what cannot be read from here, and why).
  virtual Result<std::vector<std::string>> trace_ids(std::int64_t experiment_id) = 0;
  virtual Result<registry::ImportedTrace> trace(const std::string& id) = 0;
  virtual Result<std::int64_t> count_webhooks() = 0;

  // The files at an artifact location of there. Errors: unsupported (a place that cannot be read from here).
  virtual Result<std::vector<ForeignFile>> files(const std::string& location) = 0;
  // Writes one of them to a new file.
  virtual Status fetch(const std::string& location, const std::string& path,
                       const std::filesystem::path& to) = 0;
};

}  // namespace trimtab::bridges

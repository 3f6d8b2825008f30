// Traces on their way to an MLflow server: what is known of each, its spans and its links to runs, under the
// id that it has here. Sending one again changes nothing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bridges/mlflow/export_links.h"
#include "bridges/mlflow/mlflow_server.h"
#include "registry/trace_facts.h"
#include "store/home.h"

namespace trimtab::bridges {

class TraceSender {
 public:
  TraceSender(store::Home& home, MlflowServer& server, const ExportLinks& links)
      : home_(home), server_(server), links_(links) {}

  // From `offset` on, the oldest first; empty at the end.
  Result<std::vector<registry::Trace>> page(std::int64_t experiment_id, std::int64_t offset);
  // Where its files go there. The runs that it belongs to have been sent.
  Result<std::string> send(const registry::Trace& trace, const std::string& experiment_there);

 private:
  Result<Json> info_json(const registry::Trace& trace, const std::string& experiment_there);
  Status send_spans(const std::string& trace_id, const std::string& experiment_there);
  Status send_links(const std::string& trace_id);

  store::Home& home_;
  MlflowServer& server_;
  const ExportLinks& links_;
};

}  // namespace trimtab::bridges

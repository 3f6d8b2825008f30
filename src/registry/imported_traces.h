// Traces of another record, as imported_rows.h has the rest of it: written once, under the ids of there.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "registry/trace_facts.h"
#include "store/connection.h"

namespace trimtab::registry {

struct ImportedTrace {
  Trace trace;  // With the tags and metadata of there.
  std::vector<Span> spans;
  std::vector<std::string> runs;  // That it belongs to beside the one that it was made in.
};

inline constexpr std::string_view kArtifactLocation = "mlflow.artifactLocation";
inline constexpr std::string_view kSpansLocation = "mlflow.trace.spansLocation";
inline constexpr std::string_view kSpansInDatabase = "TRACKING_STORE";

// Whether it was new. Runs inside a write of store::Database.
Result<bool> place_trace(store::Connection& connection, std::int64_t experiment_id,
                         const ImportedTrace& imported);

// The folder below which a trace of here has its files: "3/traces/tr-…/artifacts", in the root "proxy".
std::string trace_folder(std::int64_t experiment_id, const std::string& trace_id);

// "2026-01-31T09:15:00.250Z": three decimals or none, as protobuf writes whole milliseconds.
std::string trace_time_text(std::int64_t ms);

}  // namespace trimtab::registry

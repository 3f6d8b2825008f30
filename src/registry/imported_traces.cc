#include "registry/imported_traces.h"

#include "base/clock.h"
#include "registry/row_values.h"
#include "registry/trace_rows.h"

namespace trimtab::registry {

using store::Connection;
using store::Statement;

std::string trace_folder(std::int64_t experiment_id, const std::string& trace_id) {
  return std::to_string(experiment_id) + "/traces/" + trace_id + "/artifacts";
}

std::string trace_time_text(std::int64_t ms) {
  std::string text = base::format_time(ms * base::kMillisecondUs);
  const std::size_t dot = text.find('.');
  if (dot == std::string::npos) return text;
  return text.substr(0, dot) + "." + (text.substr(dot + 1, text.size() - dot - 2) + "00").substr(0, 3) + "Z";
}

Result<bool> place_trace(Connection& connection, std::int64_t experiment_id, const ImportedTrace& imported) {
  const Trace& trace = imported.trace;
  {
    Statement known = connection.prepare("SELECT 1 FROM trace WHERE id = ?");
    if (TRY(known.with(trace.id).step())) return false;
  }
  {
    Statement insert = connection.prepare(
        "INSERT INTO trace (id, experiment_id, request_ms, duration_ms, state, client_id, request_preview, "
        "response_preview, has_info) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)");
    insert.bind(0, trace.id).bind(1, experiment_id).bind(2, trace.request_ms).bind(4, trace.state);
    bind_or_null(insert, 3, trace.duration_ms);
    bind_or_null(insert, 5, trace.client_id);
    bind_or_null(insert, 6, trace.request_preview);
    bind_or_null(insert, 7, trace.response_preview);
    TRY(insert.run());
  }
  const std::int64_t number = connection.last_insert_id();
  for (const KeyValue& tag : trace.tags) TRY(write_trace_tag(connection, number, tag));
  const std::string folder = "mlflow-artifacts:/" + trace_folder(experiment_id, trace.id);
  TRY(write_trace_tag(connection, number, {std::string(kArtifactLocation), folder}));
  for (const KeyValue& pair : trace.metadata) {
    TRY(connection.prepare("INSERT OR REPLACE INTO trace_metadata (trace, key, value) VALUES (?, ?, ?)")
            .with(number, pair.key, pair.value)
            .run());
  }
  for (const Assessment& assessment : trace.assessments)
    TRY(write_assessment(connection, number, assessment));
  for (const Span& span : imported.spans) TRY(write_span(connection, number, span));
  if (!imported.spans.empty()) {
    TRY(write_trace_tag(connection, number, {std::string(kSpansLocation), std::string(kSpansInDatabase)}));
  }
  for (const std::string& run : imported.runs) {
    TRY(connection.prepare("INSERT OR IGNORE INTO trace_run (trace, run_id) VALUES (?, ?)")
            .with(number, run)
            .run());
  }
  return true;
}

}  // namespace trimtab::registry

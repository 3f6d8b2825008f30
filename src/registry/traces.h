// The traces of an experiment, as MLflow's clients and OpenTelemetry's exporters send them: spans first, then
// what is known of the whole. Each may come without the other, and again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "registry/model_facts.h"
#include "registry/trace_facts.h"
#include "store/home.h"

namespace trimtab::registry {

inline constexpr std::string_view kTraceName = "mlflow.traceName";
inline constexpr std::string_view kSourceRun = "mlflow.sourceRun";
inline constexpr std::string_view kLinkedPrompts = "mlflow.linkedPrompts";
inline constexpr std::string_view kFinalized = "mlflow.trace.infoFinalized";

// Thread-safe, as store::Database. Errors of all, in MLflow's words: not_found (trace, experiment), invalid
// (ids, keys).

// Keeps spans; a trace that is not known yet begins with them, in this experiment. The same span again
// replaces. A run: their traces belong to it.
void log_spans(store::Home& home, std::int64_t experiment_id, std::string run_id, std::vector<Span> spans,
               Written<bool> done);
// What its client knows of a trace when it has ended. Tags, metadata and assessments add to what is there.
void start_trace(store::Home& home, Trace trace, Written<Trace> done);
void set_trace_tag(store::Home& home, std::string id, KeyValue tag, Written<bool> done);
void delete_trace_tag(store::Home& home, std::string id, std::string key, Written<bool> done);

struct TraceDeletion {
  std::int64_t experiment_id = 0;
  std::optional<std::int64_t> request_ms_max;
  std::optional<std::int64_t> count_max;  // The oldest ones.
  std::vector<std::string> ids;           // Empty: all.
};
// Tells how many. They are gone at once.
void delete_traces(store::Home& home, TraceDeletion deletion, Written<std::int64_t> done);
// At most 100; unknown traces are passed over.
void link_traces(store::Home& home, std::vector<std::string> ids, std::string run_id, Written<bool> done);
void link_prompts(store::Home& home, std::string id, std::vector<KeyValue> names_and_versions,
                  Written<bool> done);

Result<Trace> find_trace(store::Home& home, const std::string& id);
// In the order of the ids; unknown ones are passed over. `experiments` empty: of any.
Result<std::vector<Trace>> find_traces(store::Home& home, const std::vector<std::string>& ids,
                                       const std::vector<std::int64_t>& experiments);
// The spans' bodies, root first, then by their start. Errors: none for an unknown trace.
Result<std::vector<std::string>> find_spans(store::Home& home, const std::string& trace_id);

struct TraceSearch {
  std::vector<std::int64_t> experiment_ids;
  std::string filter;  // "trace.status = 'OK' AND tags.team = 'x' AND span.type = 'LLM'"
  std::vector<std::string> order_by;
  std::int64_t max_results = 100;
  std::int64_t offset = 0;
};
// Newest first, unless another order is asked for. Errors: invalid (filter, order).
Result<std::vector<Trace>> search_traces(store::Home& home, const TraceSearch& search);

// Assessments. Errors: not_found (trace, assessment, the one that is overridden), invalid.
void create_assessment(store::Home& home, std::string trace_id, Assessment assessment, std::string overrides,
                       Written<Assessment> done);
// `change` holds the members that the mask names; metadata adds to what is there.
void update_assessment(store::Home& home, std::string trace_id, std::string id, Json change, std::string now,
                       Written<Assessment> done);
// What it overrode is valid again. An unknown one is fine.
void delete_assessment(store::Home& home, std::string trace_id, std::string id, Written<bool> done);
Result<Assessment> find_assessment(store::Home& home, const std::string& trace_id, const std::string& id);

}  // namespace trimtab::registry

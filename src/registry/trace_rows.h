// Rows of traces as facts; for the files of this room.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "registry/trace_facts.h"
#include "store/connection.h"

namespace trimtab::registry {

// The columns of a trace in the order that read_trace_row reads; the number comes first.
inline constexpr std::string_view kSelectTraces =
    "SELECT number, id, experiment_id, request_ms, duration_ms, state, client_id, request_preview, "
    "response_preview FROM trace";
Trace read_trace_row(const store::Statement& row);
// Tags, metadata and assessments.
Status fill_trace(store::Connection& connection, std::int64_t number, Trace& trace);
// Errors: not_found ("Trace with ID '…' not found.").
Result<std::int64_t> trace_number(store::Connection& connection, const std::string& id);
// The same span again replaces.
Status write_span(store::Connection& connection, std::int64_t trace, const Span& span);
Status write_trace_tag(store::Connection& connection, std::int64_t trace, const KeyValue& tag);
// Replaces one of the same id. Its value is kept as filters compare it.
Status write_assessment(store::Connection& connection, std::int64_t trace, const Assessment& assessment);

}  // namespace trimtab::registry

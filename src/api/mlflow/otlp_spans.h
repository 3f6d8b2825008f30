// Spans as OpenTelemetry's exporters send them over HTTP: protobuf (ExportTraceServiceRequest) or the same as
// JSON. A small reader of the few messages that are needed: it follows no more than a fixed depth, takes
// nothing from a length that the bytes do not cover, and skips what it does not know.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "registry/trace_facts.h"

namespace trimtab::api {

// Errors: malformed ("Invalid OpenTelemetry format", "Invalid OpenTelemetry format - no spans found"),
// invalid (a span without ids).
Result<std::vector<registry::Span>> read_otlp_protobuf(std::string_view bytes);
Result<std::vector<registry::Span>> read_otlp_json(std::string_view text);

}  // namespace trimtab::api

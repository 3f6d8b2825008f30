// A span between what is sent and what is kept: as OpenTelemetry's JSON has it, as it goes out again (its
// body), and as MLflow writes it into its database.
#pragma once

#include <cstdint>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "registry/trace_facts.h"

namespace trimtab::registry {

// Members in the order of the message's numbers, as protobuf's JSON has them; empty ones are left out.
struct SpanParts {
  std::string trace_id, span_id, parent_id;  // Bytes.
  std::string name;
  std::int64_t start_ns = 0, end_ns = 0;
  Json attributes = Json::array(), events = Json::array();
  std::string status_message;
  std::uint64_t status = 0;
};

// Errors: invalid (without ids of 16 and 8 bytes, times before 1970).
Result<Span> make_span(SpanParts parts);

// Errors of all: malformed ("Invalid OpenTelemetry format"), and those of make_span.
// {"traceId": hexadecimal, "spanId", "startTimeUnixNano", …}: OTLP over HTTP.
Result<Span> read_otlp_span(const Json& json);
// {"trace_id": base64, "span_id", "start_time_unix_nano", …}: a body, also as MLflow's server gives it out.
Result<Span> read_span_body(const Json& json);
// The same, but {"attributes": {key: value as JSON}}: a row of MLflow's table of spans.
Result<Span> read_stored_span(const Json& json);
// A body as OTLP over HTTP takes it.
Result<Json> otlp_span(const Json& body);

}  // namespace trimtab::registry

// Traces in MLflow's terms: what a program did while it answered, as spans, with what people say of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "registry/run_facts.h"

namespace trimtab::registry {

// One piece of work within a trace. Its ids are hexadecimal digits.
struct Span {
  std::string trace_id;  // "tr-…": of the trace.
  std::string span_id;
  std::string parent_id;  // "": the root.
  std::string name;
  std::string type;              // "CHAIN", "LLM", "UNKNOWN", …
  std::string status = "UNSET";  // "OK", "ERROR".
  std::int64_t start_ns = 0;
  std::int64_t end_ns = 0;
  std::string body;  // JSON: the span as it goes out again.
  // What the trace takes over from its root.
  std::string inputs, outputs;      // As JSON; "": none.
  std::string session_id, user_id;  // "": none.
};

// What somebody or something says of a trace or a span.
struct Assessment {
  std::string id;  // "a-…"
  std::string name;
  std::string kind;  // "feedback", "expectation", "issue".
  Json body;         // As it goes out again; always with assessment_id, assessment_name, trace_id, valid.

  bool is_valid() const { return body.bool_or("valid", true); }
};

struct Trace {
  std::string id;
  std::int64_t experiment_id = 0;
  std::int64_t request_ms = 0;
  std::optional<std::int64_t> duration_ms;  // Nothing: it goes on.
  std::string state = "STATE_UNSPECIFIED";  // "OK", "ERROR", "IN_PROGRESS".
  std::optional<std::string> client_id, request_preview, response_preview;
  std::vector<KeyValue> tags, metadata;  // By key.
  std::vector<Assessment> assessments;   // By the time of their making.
};

}  // namespace trimtab::registry

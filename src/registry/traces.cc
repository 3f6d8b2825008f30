#include "registry/traces.h"

#include <algorithm>
#include <map>
#include <utility>

#include "registry/row_values.h"
#include "registry/run_rules.h"
#include "registry/trace_rows.h"

namespace trimtab::registry {

using store::Connection;
using store::Statement;

namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::size_t kLinksMax = 100;
constexpr std::size_t kPreviewMax = 1000;
constexpr std::size_t kTagValueMax = 8000;

tl::unexpected<Error> no_trace(const std::string& id) {
  return fail(ErrorCode::not_found, "Trace with ID '" + id + "' not found.");
}

// At a character's boundary.
std::string cut(std::string text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  while (bytes_max > 0 && (static_cast<unsigned char>(text[bytes_max]) & 0xc0) == 0x80) --bytes_max;
  text.resize(bytes_max);
  return text;
}

// The experiment's artifact location. Errors: not_found, invalid (deleted).
Result<std::string> require_experiment(Connection& connection, std::int64_t id) {
  Statement row =
      connection.prepare("SELECT artifact_location, lifecycle_stage FROM experiment WHERE id = ?");
  if (!TRY(row.with(id).step()))
    return fail(ErrorCode::not_found, "No Experiment with id=" + std::to_string(id) + " exists");
  if (row.text(1) == "active") return row.text(0);
  return fail(ErrorCode::invalid, "The experiment " + std::to_string(id) +
                                      " must be in the 'active' state. Current state is deleted.");
}

Status write_metadata(Connection& connection, std::int64_t trace, const KeyValue& pair) {
  return connection.prepare("INSERT OR REPLACE INTO trace_metadata (trace, key, value) VALUES (?, ?, ?)")
      .with(trace, pair.key, pair.value)
      .run();
}

Status write_location(Connection& connection, std::int64_t trace, const std::string& id,
                      const std::string& experiment_location) {
  return write_trace_tag(connection, trace,
                         {"mlflow.artifactLocation", experiment_location + "/traces/" + id + "/artifacts"});
}

// What the spans of one trace, taken together, say of it.
struct SpanSummary {
  std::int64_t start_ms = 0, end_ms = 0;
  const Span* root = nullptr;

  std::optional<std::string> state() const {
    if (root == nullptr) return std::nullopt;
    return root->status == "ERROR" ? "ERROR" : "OK";
  }
};

SpanSummary summarize(const std::vector<const Span*>& spans) {
  SpanSummary summary{spans.front()->start_ns / kNsPerMs, spans.front()->end_ns / kNsPerMs, nullptr};
  for (const Span* span : spans) {
    summary.start_ms = std::min(summary.start_ms, span->start_ns / kNsPerMs);
    summary.end_ms = std::max(summary.end_ms, span->end_ns / kNsPerMs);
    if (span->parent_id.empty()) summary.root = span;
  }
  return summary;
}

Result<std::int64_t> insert_bare_trace(Connection& connection, const std::string& id,
                                       std::int64_t experiment_id, const SpanSummary& summary) {
  const std::string location = TRY(require_experiment(connection, experiment_id));
  Statement insert = connection.prepare(
      "INSERT INTO trace (id, experiment_id, request_ms, duration_ms, state, has_info) VALUES (?, ?, ?, ?, "
      "?, 0)");
  insert.with(id, experiment_id, summary.start_ms, summary.end_ms - summary.start_ms,
              summary.state().value_or("IN_PROGRESS"));
  TRY(insert.run());
  const std::int64_t number = connection.last_insert_id();
  TRY(write_location(connection, number, id, location));
  return number;
}

// Until its client has said what it knows, a trace spans its spans.
Status widen_trace(Connection& connection, std::int64_t number, const SpanSummary& summary) {
  TRY(connection
          .prepare("UPDATE trace SET request_ms = min(request_ms, ?1), duration_ms = max(request_ms + "
                   "coalesce(duration_ms, 0), ?2) - min(request_ms, ?1) WHERE number = ?3 AND has_info = 0")
          .with(summary.start_ms, summary.end_ms, number)
          .run());
  if (!summary.state()) return {};
  return connection
      .prepare(
          "UPDATE trace SET state = ? WHERE number = ? AND state IN ('IN_PROGRESS', 'STATE_UNSPECIFIED')")
      .with(*summary.state(), number)
      .run();
}

Status take_over_from_root(Connection& connection, std::int64_t number, const Span& root) {
  TRY(connection
          .prepare("UPDATE trace SET request_preview = coalesce(request_preview, nullif(?, '')), "
                   "response_preview = "
                   "coalesce(response_preview, nullif(?, '')) WHERE number = ?")
          .with(cut(root.inputs, kPreviewMax), cut(root.outputs, kPreviewMax), number)
          .run());
  const std::pair<const char*, const std::string&> pairs[] = {{"mlflow.trace.session", root.session_id},
                                                              {"mlflow.trace.user", root.user_id}};
  for (const auto& [key, value] : pairs) {
    if (value.empty()) continue;
    TRY(connection.prepare("INSERT OR IGNORE INTO trace_metadata (trace, key, value) VALUES (?, ?, ?)")
            .with(number, key, value)
            .run());
  }
  return {};
}

// Whoever may write to one experiment adds nothing to the traces of another.
Status expect_trace_of(Connection& connection, std::int64_t number, const std::string& trace_id,
                       std::int64_t experiment_id) {
  Statement row = connection.prepare("SELECT experiment_id FROM trace WHERE number = ?");
  if (!TRY(row.with(number).step()) || row.integer(0) == experiment_id) return {};
  return fail(ErrorCode::invalid,
              "Trace with ID '" + trace_id + "' is not of experiment " + std::to_string(experiment_id) + ".");
}

Status write_spans(Connection& connection, std::int64_t experiment_id, const std::string& run_id,
                   const std::string& trace_id, const std::vector<const Span*>& spans) {
  const SpanSummary summary = summarize(spans);
  Result<std::int64_t> number = trace_number(connection, trace_id);
  if (number) {
    TRY(expect_trace_of(connection, *number, trace_id, experiment_id));
    TRY(widen_trace(connection, *number, summary));
  } else {
    number = TRY(insert_bare_trace(connection, trace_id, experiment_id, summary));
  }
  for (const Span* span : spans) TRY(write_span(connection, *number, *span));
  if (summary.root != nullptr) TRY(take_over_from_root(connection, *number, *summary.root));
  if (!run_id.empty() && summary.root != nullptr) {
    TRY(connection.prepare("INSERT OR IGNORE INTO trace_run (trace, run_id) VALUES (?, ?)")
            .with(*number, run_id)
            .run());
  }
  return write_trace_tag(connection, *number, {"mlflow.trace.spansLocation", "TRACKING_STORE"});
}

Result<Trace> write_trace(Connection& connection, const Trace& trace) {
  const std::string location = TRY(require_experiment(connection, trace.experiment_id));
  {
    Statement upsert = connection.prepare(
        "INSERT INTO trace (id, experiment_id, request_ms, duration_ms, state, client_id, request_preview, "
        "response_preview, has_info) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1) ON CONFLICT (id) DO UPDATE SET "
        "experiment_id = excluded.experiment_id, request_ms = excluded.request_ms, duration_ms = "
        "excluded.duration_ms, state = excluded.state, client_id = excluded.client_id, request_preview = "
        "coalesce(excluded.request_preview, request_preview), response_preview = "
        "coalesce(excluded.response_preview, response_preview), has_info = 1");
    upsert.bind(0, trace.id).bind(1, trace.experiment_id).bind(2, trace.request_ms).bind(4, trace.state);
    bind_or_null(upsert, 3, trace.duration_ms);
    bind_or_null(upsert, 5, trace.client_id);
    bind_or_null(upsert, 6, trace.request_preview);
    bind_or_null(upsert, 7, trace.response_preview);
    TRY(upsert.run());
  }
  const std::int64_t number = TRY(trace_number(connection, trace.id));
  for (const KeyValue& tag : trace.tags) TRY(write_trace_tag(connection, number, tag));
  TRY(write_location(connection, number, trace.id, location));
  for (const KeyValue& pair : trace.metadata) TRY(write_metadata(connection, number, pair));
  TRY(write_metadata(connection, number, {std::string(kFinalized), "true"}));
  for (const Assessment& assessment : trace.assessments)
    TRY(write_assessment(connection, number, assessment));
  Trace kept = trace;
  kept.tags.clear();
  kept.metadata.clear();
  kept.assessments.clear();
  TRY(fill_trace(connection, number, kept));
  return kept;
}

Result<std::int64_t> remove_traces(Connection& connection, const TraceDeletion& deletion) {
  std::vector<std::int64_t> numbers;
  const std::int64_t latest = deletion.request_ms_max.value_or(INT64_MAX);
  const std::int64_t count = deletion.count_max.value_or(INT64_MAX);
  {
    Statement row = connection.prepare(
        "SELECT number, id FROM trace WHERE experiment_id = ? AND request_ms <= ? ORDER BY request_ms, id");
    row.with(deletion.experiment_id, latest);
    std::vector<std::string> wanted = deletion.ids;
    std::sort(wanted.begin(), wanted.end());
    while (static_cast<std::int64_t>(numbers.size()) < count && TRY(row.step())) {
      if (wanted.empty() || std::binary_search(wanted.begin(), wanted.end(), row.text(1)))
        numbers.push_back(row.integer(0));
    }
  }
  for (const std::int64_t number : numbers)
    TRY(connection.prepare("DELETE FROM trace WHERE number = ?").with(number).run());
  return static_cast<std::int64_t>(numbers.size());
}

Json with_prompts(const std::string& tag, const std::vector<KeyValue>& prompts) {
  Result<Json> list = base::parse_json(tag);
  Json linked = list && list->is_array() ? *std::move(list) : Json::array();
  for (const KeyValue& prompt : prompts) {
    Json entry = Json::object({{"name", prompt.key}, {"version", prompt.value}});
    const Json::Array& known = linked.as_array();
    if (std::find(known.begin(), known.end(), entry) == known.end()) linked.push(std::move(entry));
  }
  return linked;
}

}  // namespace

Trace read_trace_row(const Statement& row) {
  Trace trace;
  trace.id = row.text(1);
  trace.experiment_id = row.integer(2);
  trace.request_ms = row.integer(3);
  if (!row.is_null(4)) trace.duration_ms = row.integer(4);
  trace.state = row.text(5);
  trace.client_id = optional_text(row, 6);
  trace.request_preview = optional_text(row, 7);
  trace.response_preview = optional_text(row, 8);
  return trace;
}

Status fill_trace(Connection& connection, std::int64_t number, Trace& trace) {
  trace.tags =
      TRY(select_pairs(connection, "SELECT key, value FROM trace_tag WHERE trace = ? ORDER BY key", number));
  trace.metadata = TRY(
      select_pairs(connection, "SELECT key, value FROM trace_metadata WHERE trace = ? ORDER BY key", number));
  Statement row = connection.prepare(
      "SELECT assessment_id, name, kind, body, is_valid FROM trace_assessment WHERE trace = ? ORDER BY "
      "json_extract(body, '$.create_time'), assessment_id");
  row.with(number);
  while (TRY(row.step())) {
    Assessment assessment{row.text(0), row.text(1), row.text(2), TRY(base::parse_json(row.text(3)))};
    assessment.body.set("valid", row.integer(4) != 0);
    trace.assessments.push_back(std::move(assessment));
  }
  return {};
}

Result<std::int64_t> trace_number(Connection& connection, const std::string& id) {
  Statement row = connection.prepare("SELECT number FROM trace WHERE id = ?");
  if (TRY(row.with(id).step())) return row.integer(0);
  return no_trace(id);
}

Status write_trace_tag(Connection& connection, std::int64_t trace, const KeyValue& tag) {
  return connection.prepare("INSERT OR REPLACE INTO trace_tag (trace, key, value) VALUES (?, ?, ?)")
      .with(trace, tag.key, cut(tag.value, kTagValueMax))
      .run();
}

Status write_span(Connection& connection, std::int64_t trace, const Span& span) {
  return connection
      .prepare(
          "INSERT OR REPLACE INTO trace_span (trace, span_id, parent_id, name, type, status, start_ns, "
          "end_ns, "
          "body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
      .with(trace, span.span_id, span.parent_id, span.name, span.type, span.status, span.start_ns,
            span.end_ns, span.body)
      .run();
}

void log_spans(store::Home& home, std::int64_t experiment_id, std::string run_id, std::vector<Span> spans,
               Written<bool> done) {
  write_value<bool>(
      home,
      [experiment_id, run_id = std::move(run_id),
       spans = std::move(spans)](Connection& connection) -> Result<bool> {
        std::map<std::string, std::vector<const Span*>> by_trace;
        for (const Span& span : spans) by_trace[span.trace_id].push_back(&span);
        for (const auto& [id, of_trace] : by_trace)
          TRY(write_spans(connection, experiment_id, run_id, id, of_trace));
        return true;
      },
      std::move(done));
}

void start_trace(store::Home& home, Trace trace, Written<Trace> done) {
  write_value<Trace>(
      home, [trace = std::move(trace)](Connection& connection) { return write_trace(connection, trace); },
      std::move(done));
}

void set_trace_tag(store::Home& home, std::string id, KeyValue tag, Written<bool> done) {
  if (const Status valid = check_tag(tag, ""); !valid) return done(fail(valid.error()));
  write_value<bool>(
      home,
      [id = std::move(id), tag = std::move(tag)](Connection& connection) -> Result<bool> {
        TRY(write_trace_tag(connection, TRY(trace_number(connection, id)), tag));
        return true;
      },
      std::move(done));
}

void delete_trace_tag(store::Home& home, std::string id, std::string key, Written<bool> done) {
  write_value<bool>(
      home,
      [id = std::move(id), key = std::move(key)](Connection& connection) -> Result<bool> {
        TRY(connection.prepare("DELETE FROM trace_tag WHERE trace = ? AND key = ?")
                .with(TRY(trace_number(connection, id)), key)
                .run());
        if (connection.changes() > 0) return true;
        return fail(ErrorCode::not_found,
                    "No trace tag with key '" + key + "' for trace with ID '" + id + "'");
      },
      std::move(done));
}

void delete_traces(store::Home& home, TraceDeletion deletion, Written<std::int64_t> done) {
  write_value<std::int64_t>(
      home,
      [deletion = std::move(deletion)](Connection& connection) {
        return remove_traces(connection, deletion);
      },
      std::move(done));
}

void link_traces(store::Home& home, std::vector<std::string> ids, std::string run_id, Written<bool> done) {
  if (ids.size() > kLinksMax) {
    return done(
        fail(ErrorCode::invalid, "Cannot link more than 100 traces to a run in a single request. Provided " +
                                     std::to_string(ids.size()) + " traces."));
  }
  write_value<bool>(
      home,
      [ids = std::move(ids), run_id = std::move(run_id)](Connection& connection) -> Result<bool> {
        for (const std::string& id : ids) {
          TRY(connection
                  .prepare("INSERT OR IGNORE INTO trace_run (trace, run_id) SELECT number, ? FROM trace "
                           "WHERE id = ?")
                  .with(run_id, id)
                  .run());
        }
        return true;
      },
      std::move(done));
}

void link_prompts(store::Home& home, std::string id, std::vector<KeyValue> prompts, Written<bool> done) {
  write_value<bool>(
      home,
      [id = std::move(id), prompts = std::move(prompts)](Connection& connection) -> Result<bool> {
        const std::int64_t number = TRY(trace_number(connection, id));
        std::string tag;
        {
          Statement row = connection.prepare("SELECT value FROM trace_tag WHERE trace = ? AND key = ?");
          if (TRY(row.with(number, kLinkedPrompts).step())) tag = row.text(0);
        }
        TRY(write_trace_tag(connection, number,
                            {std::string(kLinkedPrompts), with_prompts(tag, prompts).dump()}));
        return true;
      },
      std::move(done));
}

Result<Trace> find_trace(store::Home& home, const std::string& id) {
  std::vector<Trace> found = TRY(find_traces(home, {id}, {}));
  if (found.empty()) return no_trace(id);
  return std::move(found.front());
}

Result<std::vector<Trace>> find_traces(store::Home& home, const std::vector<std::string>& ids,
                                       const std::vector<std::int64_t>& experiments) {
  static const std::string kSql = std::string(kSelectTraces) + " WHERE id = ?";
  std::vector<Trace> traces;
  TRY(home.database().read([&](Connection& connection) -> Status {
    for (const std::string& id : ids) {
      Trace trace;
      std::int64_t number = 0;
      {
        Statement row = connection.prepare(kSql);
        if (!TRY(row.with(id).step())) continue;
        trace = read_trace_row(row);
        number = row.integer(0);
      }
      const bool is_wanted = experiments.empty() || std::find(experiments.begin(), experiments.end(),
                                                              trace.experiment_id) != experiments.end();
      if (!is_wanted) continue;
      TRY(fill_trace(connection, number, trace));
      traces.push_back(std::move(trace));
    }
    return {};
  }));
  return traces;
}

Result<std::vector<std::string>> find_spans(store::Home& home, const std::string& trace_id) {
  std::vector<std::string> bodies;
  TRY(home.database().read([&](Connection& connection) -> Status {
    Statement row = connection.prepare(
        "SELECT s.body FROM trace t JOIN trace_span s ON s.trace = t.number WHERE t.id = ? ORDER BY "
        "s.parent_id "
        "<> '', s.start_ns, s.span_id");
    row.with(trace_id);
    while (TRY(row.step())) bodies.push_back(row.text(0));
    return {};
  }));
  return bodies;
}

}  // namespace trimtab::registry

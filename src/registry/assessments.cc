// What people and programs say of traces: feedback, and what the answer should have been.
#include <utility>

#include "registry/trace_rows.h"
#include "registry/traces.h"

namespace trimtab::registry {

using store::Connection;
using store::Statement;

namespace {

// As a filter compares it: a text as it is, everything else as JSON.
std::string comparable_value(const Json& body) {
  const Json* value = body["feedback"].find("value");
  if (value == nullptr) value = body["expectation"].find("value");
  if (value == nullptr) return body["expectation"]["serialized_value"].text_or("value");
  return value->is_string() ? value->as_string() : value->dump();
}

Result<Assessment> select_assessment(Connection& connection, const std::string& trace_id,
                                     const std::string& id) {
  const Result<std::int64_t> number = trace_number(connection, trace_id);
  if (!number) return fail(ErrorCode::not_found, "Trace with request_id '" + trace_id + "' not found");
  Statement row = connection.prepare(
      "SELECT assessment_id, name, kind, body, is_valid FROM trace_assessment WHERE trace = ? AND "
      "assessment_id = ?");
  if (!TRY(row.with(*number, id).step())) {
    return fail(ErrorCode::not_found,
                "Assessment with ID '" + id + "' not found for trace '" + trace_id + "'");
  }
  Assessment found{row.text(0), row.text(1), row.text(2), TRY(base::parse_json(row.text(3)))};
  found.body.set("valid", row.integer(4) != 0);
  return found;
}

Status set_valid(Connection& connection, std::int64_t trace, const std::string& id, bool is_valid) {
  return connection.prepare("UPDATE trace_assessment SET is_valid = ? WHERE trace = ? AND assessment_id = ?")
      .with(is_valid ? 1 : 0, trace, id)
      .run();
}

Result<Assessment> changed(Assessment assessment, const Json& change, const std::string& now) {
  if (change.find("expectation") != nullptr && change.find("feedback") != nullptr) {
    return fail(ErrorCode::invalid, "Cannot specify both `expectation` and `feedback` parameters.");
  }
  if (change.find("expectation") != nullptr && assessment.kind != "expectation")
    return fail(ErrorCode::invalid, "Cannot update expectation value on a Feedback assessment.");
  if (change.find("feedback") != nullptr && assessment.kind != "feedback")
    return fail(ErrorCode::invalid, "Cannot update feedback value on an Expectation assessment.");
  for (const Json::Member& member : change.as_object()) {
    if (member.first != "metadata") {
      assessment.body.set(member.first, member.second);
      continue;
    }
    Json merged = assessment.body["metadata"].is_object() ? assessment.body["metadata"] : Json::object();
    if (member.second.is_object()) {
      for (const Json::Member& pair : member.second.as_object()) merged.set(pair.first, pair.second);
    }
    assessment.body.set("metadata", std::move(merged));
  }
  assessment.name = assessment.body.text_or("assessment_name");
  assessment.body.set("last_update_time", now);
  return assessment;
}

}  // namespace

Status write_assessment(Connection& connection, std::int64_t trace, const Assessment& assessment) {
  return connection
      .prepare(
          "INSERT OR REPLACE INTO trace_assessment (trace, assessment_id, name, kind, value, is_valid, body) "
          "VALUES (?, ?, ?, ?, ?, ?, ?)")
      .with(trace, assessment.id, assessment.name, assessment.kind, comparable_value(assessment.body),
            assessment.is_valid() ? 1 : 0, assessment.body.dump())
      .run();
}

void create_assessment(store::Home& home, std::string trace_id, Assessment assessment, std::string overrides,
                       Written<Assessment> done) {
  write_value<Assessment>(
      home,
      [trace_id = std::move(trace_id), assessment = std::move(assessment),
       overrides = std::move(overrides)](Connection& connection) -> Result<Assessment> {
        const std::int64_t number = TRY(trace_number(connection, trace_id));
        if (!overrides.empty()) {
          TRY(select_assessment(connection, trace_id, overrides));
          TRY(set_valid(connection, number, overrides, false));
        }
        TRY(write_assessment(connection, number, assessment));
        return assessment;
      },
      std::move(done));
}

void update_assessment(store::Home& home, std::string trace_id, std::string id, Json change, std::string now,
                       Written<Assessment> done) {
  write_value<Assessment>(
      home,
      [trace_id = std::move(trace_id), id = std::move(id), change = std::move(change),
       now = std::move(now)](Connection& connection) -> Result<Assessment> {
        const Assessment before = TRY(select_assessment(connection, trace_id, id));
        const Assessment after = TRY(changed(before, change, now));
        TRY(write_assessment(connection, TRY(trace_number(connection, trace_id)), after));
        return after;
      },
      std::move(done));
}

void delete_assessment(store::Home& home, std::string trace_id, std::string id, Written<bool> done) {
  write_value<bool>(
      home,
      [trace_id = std::move(trace_id), id = std::move(id)](Connection& connection) -> Result<bool> {
        const std::int64_t number = TRY(trace_number(connection, trace_id));
        const Result<Assessment> gone = select_assessment(connection, trace_id, id);
        if (!gone && gone.error().code == ErrorCode::not_found) return true;
        if (!gone) return fail(gone.error());
        const std::string overrides = gone->body.text_or("overrides");
        if (!overrides.empty()) TRY(set_valid(connection, number, overrides, true));
        TRY(connection.prepare("DELETE FROM trace_assessment WHERE trace = ? AND assessment_id = ?")
                .with(number, id)
                .run());
        return true;
      },
      std::move(done));
}

Result<Assessment> find_assessment(store::Home& home, const std::string& trace_id, const std::string& id) {
  Assessment found;
  TRY(home.database().read([&](Connection& connection) -> Status {
    found = TRY(select_assessment(connection, trace_id, id));
    return {};
  }));
  return found;
}

}  // namespace trimtab::registry

#include "registry/approvals.h"

#include <algorithm>

#include "project/limit_text.h"
#include "store/audit.h"
#include "store/database.h"

namespace trimtab::registry {
namespace {

using store::Connection;
using store::Statement;

constexpr const char* kApprove = "model_version.approve";
constexpr const char* kRejected = "rejected by ";

std::string object_of(const std::string& model, std::int64_t version) {
  return "model/" + model + "/" + std::to_string(version);
}

// Only since the version was made: a model of the same name may have had one with its number.
Result<std::vector<std::string>> approved_by(Connection& connection, const std::string& model,
                                             std::int64_t version) {
  std::vector<std::string> people;
  Statement row = connection.prepare(
      "SELECT actor FROM audit WHERE action = ? AND object = ? AND time >= 1000 * (SELECT created_ms FROM "
      "model_version WHERE model = ? AND version = ?) ORDER BY sequence");
  row.with(std::string(kApprove), object_of(model, version), model, version);
  while (TRY(row.step())) {
    if (std::ranges::count(people, row.text(0)) == 0) people.push_back(row.text(0));
  }
  return people;
}

tl::unexpected<Error> refuse(const std::string& model, std::int64_t version, const std::string& why,
                             std::string hint) {
  return fail(ErrorCode::conflict, "version " + std::to_string(version) + " of model '" + model + "' " + why,
              std::move(hint));
}

Result<AwaitedApproval> demand_awaited(Connection& connection, const std::string& model,
                                       std::int64_t version) {
  const std::optional<AwaitedApproval> awaited = TRY(awaited_approval(connection, model, version));
  if (awaited) return *awaited;
  return refuse(model, version, "does not wait for approval", "`trimtab incidents` shows what does");
}

// The result of the gate, and of all gates together.
Status write_result(Connection& connection, const std::string& model, std::int64_t version, double value,
                    const std::string& verdict, const std::string& detail, const std::string& gates) {
  TRY(connection
          .prepare(
              "UPDATE gate_result SET value = ?, verdict = ?, reason = ? WHERE model = ? AND version = ? "
              "AND gate LIKE 'approvals%'")
          .with(value, verdict, detail, model, version)
          .run());
  return connection.prepare("UPDATE model_version SET gates = ? WHERE model = ? AND version = ?")
      .with(gates, model, version)
      .run();
}

std::string names_of(const std::vector<std::string>& people) {
  std::string text;
  for (const std::string& person : people) text += (text.empty() ? "by " : ", ") + person;
  return text;
}

}  // namespace

bool is_approval_gate(const std::string& gate) {
  const Result<project::Gate> parsed = project::parse_gate(gate, {});
  return parsed && parsed->metric == project::kApprovals;
}

Result<std::optional<AwaitedApproval>> awaited_approval(Connection& connection, const std::string& model,
                                                        std::int64_t version) {
  std::optional<AwaitedApproval> awaited;
  Statement row = connection.prepare(
      "SELECT gate FROM gate_result JOIN model_version USING (model, version) WHERE model = ? AND version = "
      "? "
      "AND gates = 'open' AND deleted_ms IS NULL AND verdict = 'unknown'");
  row.with(model, version);
  while (TRY(row.step())) {
    const Result<project::Gate> gate = project::parse_gate(row.text(0), {});
    if (!gate || gate->metric != project::kApprovals) continue;
    awaited = AwaitedApproval{static_cast<std::int64_t>(gate->threshold), gate->by, {}};
  }
  if (awaited) awaited->by = TRY(approved_by(connection, model, version));
  return awaited;
}

Result<std::optional<AwaitedApproval>> awaited_approval(store::Home& home, const std::string& model,
                                                        std::int64_t version) {
  std::optional<AwaitedApproval> awaited;
  TRY(home.database().read([&](Connection& connection) -> Status {
    awaited = TRY(awaited_approval(connection, model, version));
    return {};
  }));
  return awaited;
}

Result<AwaitedApproval> approve_version(Connection& connection, const std::string& model,
                                        std::int64_t version, const std::string& person,
                                        const std::string& reason, TimeUs now) {
  AwaitedApproval awaited = TRY(demand_awaited(connection, model, version));
  if (std::ranges::count(awaited.by, person) > 0) {
    return refuse(model, version, "was approved by " + person + " already: somebody else is wanted, too",
                  "under `serve --auth` each says who they are");
  }
  awaited.by.push_back(person);
  const bool is_enough = awaited.missing() <= 0;
  TRY(write_result(connection, model, version, static_cast<double>(awaited.by.size()),
                   is_enough ? "pass" : "unknown", names_of(awaited.by), is_enough ? "passed" : "open"));
  const Json detail =
      Json::object({{"why", reason}, {"approvals", awaited.by.size()}, {"wanted", awaited.wanted}});
  TRY(store::append_audit(connection, now, person, kApprove, object_of(model, version), detail.dump()));
  return awaited;
}

Status reject_version(Connection& connection, const std::string& model, std::int64_t version,
                      const std::string& person, const std::string& reason, TimeUs now) {
  const AwaitedApproval awaited = TRY(demand_awaited(connection, model, version));
  const std::string words = kRejected + person + (reason.empty() ? "" : ": " + reason);
  TRY(write_result(connection, model, version, static_cast<double>(awaited.by.size()), "fail", words,
                   "refused"));
  const Json detail = Json::object({{"why", reason}});
  return store::append_audit(connection, now, person, "model_version.reject", object_of(model, version),
                             detail.dump());
}

Result<std::string> why_rejected(store::Home& home, const std::string& model, std::int64_t version) {
  std::string why;
  TRY(home.database().read([&](Connection& connection) -> Status {
    Statement row = connection.prepare(
        "SELECT reason FROM gate_result WHERE model = ? AND version = ? AND verdict = 'fail' AND gate LIKE "
        "'approvals%'");
    if (TRY(row.with(model, version).step())) why = row.text(0);
    return {};
  }));
  return why;
}

}  // namespace trimtab::registry

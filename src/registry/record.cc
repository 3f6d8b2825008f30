#include "registry/record.h"

#include <array>
#include <future>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/log.h"
#include "registry/approvals.h"
#include "registry/model_events.h"
#include "registry/model_rows.h"
#include "registry/record_watch.h"
#include "registry/run_name.h"
#include "registry/run_rows.h"
#include "registry/run_rules.h"
#include "store/audit.h"

namespace trimtab::registry {
namespace {

VersionFacts read_version(const store::Statement& row) {
  VersionFacts facts;
  facts.model = row.text(0);
  facts.version = row.integer(1);
  facts.run_id = row.text(2);
  facts.step_key = row.text(3);
  facts.manifest_sha256 = row.text(4);
  facts.gates = row.text(5);
  facts.created_ms = row.integer(6);
  return facts;
}

Result<std::optional<VersionFacts>> select_by_step(store::Connection& connection, const std::string& model,
                                                   const std::string& step_key) {
  store::Statement row = connection.prepare(
      "SELECT model, version, run_id, step_key, manifest_sha256, gates, created_ms FROM model_version "
      "WHERE model = ? AND step_key = ? AND deleted_ms IS NULL");
  if (!TRY(row.with(model, step_key).step())) return std::optional<VersionFacts>();
  return std::optional(read_version(row));
}

// Makes sure that the model exists and is this project's.
Status own_model(store::Connection& connection, const std::string& project, const std::string& model,
                 std::int64_t now_ms) {
  store::Statement owner = connection.prepare(
      "SELECT m.project, coalesce(p.folder, '') FROM registered_model m LEFT JOIN project p ON p.name = "
      "m.project "
      "WHERE m.name = ?");
  if (TRY(owner.with(model).step())) {
    if (owner.text(0) == project) return {};
    // A client made it; whoever declares it in a project owns it from now on.
    if (owner.is_null(0)) {
      return connection.prepare("UPDATE registered_model SET project = ? WHERE name = ?")
          .with(project, model)
          .run();
    }
    const std::string folder = owner.text(1).empty() ? "" : " (folder " + owner.text(1) + ")";
    return fail(ErrorCode::name_taken,
                "the model name '" + model + "' belongs to project '" + owner.text(0) + "'" + folder,
                "rename one of them");
  }
  return connection
      .prepare("INSERT INTO registered_model (name, project, created_ms, updated_ms) VALUES (?, ?, ?, ?)")
      .with(model, project, now_ms, now_ms)
      .run();
}

// The project's experiment. Number 0, MLflow's "Default", is there from the start.
Result<std::int64_t> experiment_of(store::Connection& connection, const std::string& project,
                                   std::int64_t now_ms) {
  store::Statement known = connection.prepare("SELECT id FROM experiment WHERE name = ?");
  if (TRY(known.with(project).step())) return known.integer(0);
  const std::int64_t id = TRY(next_experiment_id(connection));
  TRY(connection
          .prepare("INSERT INTO experiment (id, name, created_ms, updated_ms, artifact_location) "
                   "VALUES (?1, ?2, ?3, ?3, 'mlflow-artifacts:/' || ?1)")
          .with(id, project, now_ms)
          .run());
  return id;
}

Status write_params(store::Connection& connection, std::int64_t run, const Json& params) {
  for (const auto& [key, value] : params.as_object()) {
    const std::string text = value.is_string() ? value.as_string() : value.dump();
    TRY(put_param(connection, run, {key, text}));
  }
  return {};
}

// The run has ended when it is written, so its metrics are sealed at once.
Status write_metrics(store::Connection& connection, std::int64_t run, const Json& metrics,
                     std::int64_t now_ms) {
  std::vector<MetricPoint> points;
  for (const auto& [key, value] : metrics.as_object()) {
    if (!value.is_number())
      return fail(ErrorCode::invalid, "metric '" + key + "' is no number: " + value.dump());
    points.push_back({key, value.as_double(), now_ms, 0});
  }
  return write_sealed(connection, run, make_batch(points));
}

Status write_tags(store::Connection& connection, std::int64_t run, const std::string& name,
                  const NewVersion& version) {
  const std::array<KeyValue, 5> tags = {{
      {std::string(kRunNameTag), name},
      {"mlflow.source.type", "PROJECT"},
      {"mlflow.source.name", version.project},
      {"trimtab.step_key", version.step_key},
      {"trimtab.reason", version.reason},
  }};
  for (const KeyValue& tag : tags) TRY(put_tag(connection, run, tag));
  return {};
}

Status write_lineage(store::Connection& connection, const std::string& run_id, const char* direction,
                     const std::string& kind, const std::string& name, const std::string& sha256) {
  return connection
      .prepare("INSERT INTO lineage (run_id, direction, kind, name, sha256) VALUES (?, ?, ?, ?, ?)")
      .with(run_id, direction, kind, name, sha256)
      .run();
}

// What the run read ("snapshot/table/departures" is the snapshot of table/departures) and what it made.
Status write_lineages(store::Connection& connection, const VersionFacts& made, const NewVersion& version) {
  for (const auto& [input, sha256] : version.inputs) {
    const std::size_t slash = input.find('/');
    const std::string kind = slash == std::string::npos ? "file" : input.substr(0, slash);
    const std::string name = slash == std::string::npos ? input : input.substr(slash + 1);
    TRY(write_lineage(connection, made.run_id, "input", kind, name, sha256));
  }
  const std::string name = made.model + "/" + std::to_string(made.version);
  TRY(write_lineage(connection, made.run_id, "output", "model", name, made.manifest_sha256));
  for (const auto& [path, file] : version.reports) {
    TRY(write_lineage(connection, made.run_id, "output", "report", path, file.sha256));
  }
  return {};
}

Status write_artifacts(store::Connection& connection, const std::string& root,
                       const std::map<std::string, FileFact>& files) {
  for (const auto& [path, file] : files) {
    TRY(connection.prepare("INSERT INTO artifact (root, path, blob_sha256, size) VALUES (?, ?, ?, ?)")
            .with(root, path, file.sha256, static_cast<std::int64_t>(file.size))
            .run());
  }
  return {};
}

void bind_number(store::Statement& statement, int index, const Json& value) {
  if (value.is_number()) {
    statement.bind(index, value.as_double());
  } else {
    statement.bind_null(index);
  }
}

// What people have not decided is not known: the table has no other word for it.
constexpr std::string_view kPending = "pending";

std::string outcome_of(const NewVersion& version) {
  return version.gates_passed ? "passed" : version.waits ? "open" : "refused";
}

Status write_gates(store::Connection& connection, const VersionFacts& made, const Json& gates) {
  int ordinal = 0;
  for (const Json& gate : gates.as_array()) {
    const Json& measured = gate["measured"];
    const std::string detail = gate.text_or("detail");
    store::Statement insert = connection.prepare(
        "INSERT INTO gate_result (model, version, moment, ordinal, gate, value, low, high, threshold, "
        "verdict, "
        "reason) VALUES (?, ?, 'training', ?, ?, ?, ?, ?, ?, ?, ?)");
    insert.bind(0, made.model).bind(1, made.version).bind(2, ++ordinal).bind(3, gate.text_or("gate"));
    bind_number(insert, 4, measured["value"]);
    bind_number(insert, 5, measured["low"]);
    bind_number(insert, 6, measured["high"]);
    bind_number(insert, 7, gate["threshold"]);
    const std::string verdict = gate.text_or("verdict");
    insert.bind(8, verdict == kPending ? "unknown" : verdict)
        .bind(9, detail.empty() ? measured.text_or("reason") : detail);
    TRY(insert.run());
  }
  return {};
}

Status write_run(store::Connection& connection, const VersionFacts& made, const NewVersion& version) {
  const std::int64_t experiment = TRY(experiment_of(connection, version.project, made.created_ms));
  RunInfo info;
  info.id = made.run_id;
  info.experiment_id = experiment;
  info.name = run_name(made.run_id);
  info.status = RunStatus::finished;
  info.start_ms = made.created_ms;
  info.end_ms = made.created_ms;
  const std::int64_t run = TRY(insert_run(connection, info));
  TRY(write_params(connection, run, version.params));
  TRY(write_metrics(connection, run, version.metrics, made.created_ms));
  TRY(write_tags(connection, run, info.name, version));
  TRY(write_artifacts(connection, "run/" + made.run_id, version.reports));
  return write_lineages(connection, made, version);
}

Status write_version(store::Connection& connection, VersionFacts& made, const NewVersion& version) {
  {
    store::Statement last =
        connection.prepare("SELECT 1 + coalesce(max(version), 0) FROM model_version WHERE model = ?");
    TRY(last.with(made.model).step());
    made.version = last.integer(0);
  }
  TRY(write_run(connection, made, version));
  const std::string root = "model/" + made.model + "/" + std::to_string(made.version);
  const std::string location = "mlflow-artifacts:/models" + root.substr(root.find('/'));
  TRY(connection
          .prepare(
              "INSERT INTO model_version (model, version, run_id, step_key, status, manifest_sha256, gates, "
              "created_ms, updated_ms, source, location) VALUES (?, ?, ?, ?, 'READY', ?, ?, ?, ?, ?, ?)")
          .with(made.model, made.version, made.run_id, made.step_key, made.manifest_sha256, made.gates,
                made.created_ms, made.created_ms, location, location)
          .run());
  TRY(write_artifacts(connection, root, version.files));
  TRY(write_gates(connection, made, version.gates));
  return connection.prepare("UPDATE registered_model SET updated_ms = ? WHERE name = ?")
      .with(made.created_ms, made.model)
      .run();
}

// A write that adds a run, which the book of runs hears of before we return.
Status write_and_tell(store::Home& home, store::WriteWork work) {
  std::promise<Status> written;
  home.database().submit(std::move(work), [&](Status status) {
    if (status) tell_runs_added(home);
    written.set_value(std::move(status));
  });
  return written.get_future().get();
}

}  // namespace

Result<VersionFacts> register_version(store::Home& home, const base::Clock& clock,
                                      const NewVersion& version) {
  const auto manifest = version.files.find("manifest.json");
  if (manifest == version.files.end()) {
    return fail(ErrorCode::invalid, "a version of model '" + version.model +
                                        "' cannot be registered: its artifact "
                                        "has no manifest.json");
  }
  const TimeUs now = clock.now();
  VersionFacts made;
  TRY(write_and_tell(home, [&](store::Connection& connection) -> Status {
    TRY(own_model(connection, version.project, version.model, now / base::kMillisecondUs));
    if (auto known = TRY(select_by_step(connection, version.model, version.step_key))) {
      made = std::move(*known);
      return {};
    }
    made.model = version.model;
    made.run_id = base::ordered_id(now);
    made.step_key = version.step_key;
    made.manifest_sha256 = manifest->second.sha256;
    made.gates = outcome_of(version);
    made.created_ms = now / base::kMillisecondUs;
    made.is_new = true;
    TRY(write_version(connection, made, version));
    Json detail = Json::object();
    detail.set("run_id", made.run_id).set("step_key", made.step_key).set("manifest", made.manifest_sha256);
    detail.set("gates", made.gates).set("why", version.reason);
    const std::string object = "model/" + made.model + "/" + std::to_string(made.version);
    TRY(tell_version_created(connection, now, TRY(select_version(connection, made.model, made.version))));
    return store::append_audit(connection, now, version.actor, "model_version.create", object, detail.dump());
  }));
  return made;
}

Status judge_again(store::Home& home, const base::Clock& clock, const NewVersion& version,
                   std::int64_t number) {
  VersionFacts facts = TRY(find_version(home, version.model, number));
  const std::string outcome = outcome_of(version);
  CHECK(facts.gates != "passed" || outcome == "passed");
  const Json before = TRY(gates_json(home, version.model, number));
  const TimeUs now = clock.now();
  return home.database().write([&](store::Connection& connection) -> Status {
    TRY(connection.prepare("DELETE FROM gate_result WHERE model = ? AND version = ? AND moment = 'training'")
            .with(version.model, number)
            .run());
    TRY(write_gates(connection, facts, version.gates));
    TRY(connection.prepare("UPDATE model_version SET gates = ? WHERE model = ? AND version = ?")
            .with(outcome, version.model, number)
            .run());
    Json detail = Json::object({{"from", facts.gates}, {"to", outcome}, {"gates_before", before}});
    detail.set("gates", version.gates).set("why", version.reason);
    const std::string object = "model/" + version.model + "/" + std::to_string(number);
    return store::append_audit(connection, now, version.actor, "model_version.judge", object, detail.dump());
  });
}

Result<VersionFacts> find_version(store::Home& home, const std::string& model, std::int64_t version) {
  VersionFacts facts;
  TRY(home.database().read([&](store::Connection& connection) -> Status {
    store::Statement row = connection.prepare(
        "SELECT model, version, run_id, step_key, manifest_sha256, gates, created_ms FROM model_version "
        "WHERE model = ? AND version = ? AND deleted_ms IS NULL");
    if (TRY(row.with(model, version).step())) {
      facts = read_version(row);
      return {};
    }
    store::Statement newest = connection.prepare("SELECT max(version) FROM model_version WHERE model = ?");
    const bool has_any = TRY(newest.with(model).step()) && !newest.is_null(0);
    return fail(ErrorCode::not_found, "model '" + model + "' has no version " + std::to_string(version),
                has_any ? "its newest is version " + newest.text(0) : "run `trimtab apply`");
  }));
  return facts;
}

std::optional<VersionFacts> find_by_step(store::Home& home, const std::string& model,
                                         const std::string& step_key) {
  std::optional<VersionFacts> found;
  const Status read = home.database().read([&](store::Connection& connection) -> Status {
    found = TRY(select_by_step(connection, model, step_key));
    return {};
  });
  // Registering looks again inside its write, so a failed look costs a training and never a second version.
  if (!read) base::log_warning("registry", base::render(read.error()));
  return found;
}

Result<std::vector<VersionFacts>> list_versions(store::Home& home, const std::string& model) {
  std::vector<VersionFacts> versions;
  TRY(home.database().read([&](store::Connection& connection) -> Status {
    store::Statement row = connection.prepare(
        "SELECT model, version, run_id, step_key, manifest_sha256, gates, created_ms FROM model_version "
        "WHERE model = ? AND deleted_ms IS NULL ORDER BY version");
    row.with(model);
    while (TRY(row.step())) versions.push_back(read_version(row));
    return {};
  }));
  return versions;
}

Result<Json> run_json(store::Home& home, const std::string& run_id) {
  RunColumns columns;
  std::int64_t number = 0;
  TRY(home.database().read([&](store::Connection& connection) -> Status {
    const Result<RunKey> run = find_run(connection, run_id);
    if (!run && run.error().code == ErrorCode::not_found) {
      return fail(ErrorCode::not_found, "no run has the id '" + run_id + "'");
    }
    number = TRY(Result<RunKey>(run)).number;
    return load_run(connection, number, columns);
  }));
  const Json reply = TRY(base::parse_json(columns.json(*columns.find_number(number))));
  return reply["run"];
}

Result<Json> gates_json(store::Home& home, const std::string& model, std::int64_t version) {
  TRY(find_version(home, model, version));
  Json list = Json::array();
  TRY(home.database().read([&](store::Connection& connection) -> Status {
    store::Statement row = connection.prepare(
        "SELECT gate, value, low, high, threshold, verdict, reason FROM gate_result "
        "WHERE model = ? AND version = ? ORDER BY moment DESC, ordinal");
    row.with(model, version);
    while (TRY(row.step())) {
      Json measured = Json::object();
      for (const auto& [name, column] : {std::pair{"value", 1}, std::pair{"low", 2}, std::pair{"high", 3}}) {
        if (!row.is_null(column)) measured.set(name, row.real(column));
      }
      if (row.is_null(1)) measured.set("reason", row.text(6));
      Json gate = Json::object();
      gate.set("gate", row.text(0)).set("measured", std::move(measured));
      const bool pending = row.text(5) == "unknown" && is_approval_gate(row.text(0));
      gate.set("verdict", pending ? std::string(kPending) : row.text(5));
      if (!row.is_null(4)) gate.set("threshold", row.real(4));
      if (!row.text(6).empty()) gate.set("detail", row.text(6));
      list.push(std::move(gate));
    }
    return {};
  }));
  return list;
}

}  // namespace trimtab::registry

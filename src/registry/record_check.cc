#include "registry/record_check.h"

#include <cstdint>
#include <map>
#include <vector>

#include "base/json.h"
#include "registry/metric_batch.h"
#include "registry/metric_block.h"
#include "registry/run_leases.h"

namespace trimtab::registry {
namespace {

using store::Connection;
using store::Statement;

// What a model's manifest says of one of its files; "" when it does not list it.
std::string listed_sha256(const Json& manifest, const std::string& path) {
  if (!manifest["files"].is_array()) return {};
  for (const Json& file : manifest["files"].as_array()) {
    if (file.text_or("name") == path) return file.text_or("sha256");
  }
  return {};
}

class RecordCheck {
 public:
  RecordCheck(Connection& connection, const store::Blobs& blobs, std::vector<std::string>& problems)
      : connection_(connection), blobs_(blobs), problems_(problems) {}

  Status run() {
    TRY(check_champions());
    TRY(check_mirrors());
    TRY(check_aliases());
    TRY(check_versions());
    TRY(check_runs());
    TRY(check_leases());
    TRY(check_owners());
    return check_metrics();
  }

 private:
  void add(std::string problem) { problems_.push_back(std::move(problem)); }

  // The champion is the version that the last change of the history made it.
  Status check_champions() {
    Statement row = connection_.prepare(
        "SELECT e.name, e.serving_version, json_extract(a.detail, '$.to') FROM endpoint e "
        "LEFT JOIN audit a ON a.sequence = (SELECT max(sequence) FROM audit WHERE object = 'endpoint/' || "
        "e.name "
        "AND action IN ('endpoint.declare', 'endpoint.promote', 'endpoint.roll_back')) "
        "WHERE e.serving_version IS NOT json_extract(a.detail, '$.to')");
    while (TRY(row.step())) {
      const std::string serves = row.is_null(1) ? "has no champion" : "serves version " + row.text(1);
      const std::string history = row.is_null(2) ? "names none" : "names version " + row.text(2);
      add("endpoint '" + row.text(0) + "' " + serves + ", but the audit history " + history +
          ": restore meta.db from a backup, or promote a version again");
    }
    Statement gates = connection_.prepare(
        "SELECT e.name, e.serving_version, v.gates FROM endpoint e JOIN model_version v ON v.model = e.model "
        "AND "
        "v.version = e.serving_version WHERE v.gates <> 'passed'");
    while (TRY(gates.step())) {
      add("endpoint '" + gates.text(0) + "' serves version " + gates.text(1) + ", whose gates are '" +
          gates.text(2) + "': promote a version that passed");
    }
    return {};
  }

  // The alias says what the endpoint says, unless a client has pushed another version (or none) to it since:
  // then it says what the push said.
  Status check_mirrors() {
    Statement row = connection_.prepare(
        "WITH mirror AS (SELECT name AS endpoint, model, CASE WHEN name = model THEN '' ELSE name || '-' END "
        "|| "
        "'champion' AS alias, serving_version AS version FROM endpoint) "
        "SELECT m.endpoint, m.version, m.alias, a.version FROM mirror m LEFT JOIN model_alias a ON a.model = "
        "m.model AND a.alias = m.alias "
        "LEFT JOIN audit push ON push.sequence = (SELECT max(sequence) FROM audit WHERE object = 'model/' || "
        "m.model || '@' || m.alias AND action IN ('model_alias.set', 'model_alias.delete')) "
        "LEFT JOIN audit rule ON rule.sequence = (SELECT max(sequence) FROM audit WHERE object = 'endpoint/' "
        "|| "
        "m.endpoint AND action IN ('endpoint.declare', 'endpoint.promote', 'endpoint.roll_back')) "
        "WHERE a.version IS NOT CASE WHEN push.sequence > coalesce(rule.sequence, 0) "
        "THEN json_extract(push.detail, '$.to') ELSE m.version END");
    while (TRY(row.step())) {
      const std::string serves = row.is_null(1) ? "no version" : "version " + row.text(1);
      const std::string points = row.is_null(3) ? "is missing" : "points at version " + row.text(3);
      add("endpoint '" + row.text(0) + "' serves " + serves + ", but the alias '" + row.text(2) + "' " +
          points);
    }
    return {};
  }

  Status check_aliases() {
    Statement row = connection_.prepare(
        "SELECT a.model, a.alias, a.version, v.status, v.manifest_sha256 FROM model_alias a LEFT JOIN "
        "model_version v "
        "ON v.model = a.model AND v.version = a.version AND v.deleted_ms IS NULL");
    while (TRY(row.step())) {
      const std::string who = "alias '" + row.text(1) + "' of model '" + row.text(0) + "'";
      const std::string version = "version " + row.text(2);
      if (row.is_null(3)) {
        add(who + " points at " + version + ", which does not exist");
      } else if (row.text(3) != "READY") {
        add(who + " points at " + version + ", which is " + row.text(3) + " and not READY");
      } else if (!row.is_null(4)) {
        TRY(check_files(who + " points at " + version + ", ", "model/" + row.text(0) + "/" + row.text(2),
                        row.text(4)));
      }
    }
    return {};
  }

  // The files of a version are those that its manifest lists, byte for byte.
  Status check_files(const std::string& who, const std::string& root, const std::string& manifest_sha256) {
    std::map<std::string, std::string> files;
    Statement row = connection_.prepare("SELECT path, blob_sha256 FROM artifact WHERE root = ?");
    row.with(root);
    while (TRY(row.step())) files[row.text(0)] = row.text(1);
    if (files["manifest.json"] != manifest_sha256) {
      add(who + "whose manifest is not the one that was registered: restore meta.db from a backup");
      return {};
    }
    const Result<std::string> text = blobs_.get(manifest_sha256);
    const Result<Json> manifest = text ? base::parse_json(*text) : Result<Json>(fail(text.error()));
    if (!manifest) {
      add(who + "whose manifest cannot be read: " + manifest.error().message);
      return {};
    }
    for (const auto& [path, sha256] : files) {
      if (path == "manifest.json") continue;
      const std::string listed = listed_sha256(*manifest, path);
      if (listed != sha256) add(who + "whose file '" + path + "' is not the one that its manifest lists");
      if (!blobs_.has(sha256))
        add(who + "whose file '" + path + "' is not there: restore blobs/ from a backup");
    }
    return {};
  }

  // Every trained version was made by a run that says from what, and the history knows of it. Clients may
  // name runs of other records, and may rename their models.
  Status check_versions() {
    Statement row = connection_.prepare(
        "SELECT v.model, v.version, r.id IS NULL, "
        "(SELECT count(*) FROM lineage l WHERE l.run_id = v.run_id AND l.direction = 'input'), "
        "(SELECT l.sha256 FROM lineage l WHERE l.run_id = v.run_id AND l.direction = 'output' AND l.kind = "
        "'model' "
        "AND l.name = v.model || '/' || v.version) IS NOT v.manifest_sha256, "
        "(SELECT t.value FROM run_tag t WHERE t.run = r.number AND t.key = 'trimtab.step_key') IS NOT "
        "v.step_key, "
        "NOT EXISTS (SELECT 1 FROM audit a WHERE a.action = "
        "'model_version.create' AND a.object = 'model/' || v.model || '/' || v.version) "
        "FROM model_version v LEFT JOIN run r ON r.id = v.run_id "
        "WHERE v.manifest_sha256 IS NOT NULL AND v.deleted_ms IS NULL ORDER BY v.model, v.version");
    while (TRY(row.step())) {
      const std::string who = "version " + row.text(1) + " of model '" + row.text(0) + "' ";
      if (row.integer(2) != 0) add(who + "has no run");
      if (row.integer(3) == 0) add(who + "has no lineage: nothing says what it was trained on");
      if (row.integer(4) != 0) add(who + "is not what the lineage of its run names as output");
      if (row.integer(5) != 0) add(who + "and its run do not name the same training step");
      if (row.integer(6) != 0) add(who + "has no audit row of its making");
    }
    return {};
  }

  // Nothing of ours leaves a run open: a version and its run are written at once.
  Status check_runs() {
    Statement row = connection_.prepare(
        "SELECT v.model, v.version, r.status FROM model_version v JOIN run r ON r.id = v.run_id "
        "WHERE r.status <> 'FINISHED' AND v.status = 'READY' AND v.manifest_sha256 IS NOT NULL AND "
        "v.deleted_ms "
        "IS NULL ORDER BY v.model, v.version");
    while (TRY(row.step())) {
      add("version " + row.text(1) + " of model '" + row.text(0) + "' is READY, but its run is " +
          row.text(2));
    }
    return {};
  }

  // Whoever looks at leases ends those that are over, so at the time of the last look none was overdue.
  Status check_leases() {
    Statement look = connection_.prepare("SELECT value FROM setting WHERE name = ?");
    if (!TRY(look.with(kLeaseLookSetting).step())) return {};
    const Json said = base::parse_json(look.text(0)).value_or(Json());
    const TimeUs looked_at = said.int_or("time");
    Statement run = connection_.prepare(
        "SELECT r.id, t.value FROM run r JOIN run_tag t ON t.run = r.number AND t.key = ? WHERE r.status = "
        "'RUNNING' "
        "AND r.lifecycle_stage = 'active'");
    run.with(kLeaseTag);
    while (TRY(run.step())) {
      const Json* beat = said["heartbeats"].find(run.text(0));
      const Result<TimeUs> period = base::parse_duration(run.text(1));
      if (beat == nullptr || !beat->is_int() || !period || looked_at - beat->as_int() <= *period) continue;
      add("run '" + run.text(0) + "' is RUNNING, but its lease of " + run.text(1) + " was over at " +
          base::format_time(looked_at) + ": start the server, or end the run");
    }
    return {};
  }

  // Nothing is left of what was removed: files of versions that are gone, logged models of no experiment.
  Status check_owners() {
    Statement file = connection_.prepare(
        "SELECT DISTINCT root FROM artifact a WHERE root LIKE 'model/%' AND NOT EXISTS (SELECT 1 FROM "
        "model_version v "
        "WHERE 'model/' || v.model || '/' || v.version = a.root AND v.deleted_ms IS NULL)");
    while (TRY(file.step()))
      add("the files of '" + file.text(0) + "' belong to no version: restore meta.db from a backup");
    Statement model = connection_.prepare(
        "SELECT id, experiment_id FROM logged_model m WHERE NOT EXISTS (SELECT 1 FROM experiment e WHERE "
        "e.id = "
        "m.experiment_id)");
    while (TRY(model.step())) {
      add("logged model '" + model.text(0) + "' is of experiment " + model.text(1) +
          ", which does not exist: restore meta.db from a backup");
    }
    return {};
  }

  // Points can be read, and belong to runs.
  Status check_metrics() {
    Statement journal = connection_.prepare(
        "SELECT j.sequence, coalesce(r.id, ''), j.body FROM metric_journal j LEFT JOIN run r ON r.number = "
        "j.run");
    while (TRY(journal.step())) {
      const std::string who = "row " + journal.text(0) + " of the metric journal ";
      if (journal.text(1).empty()) add(who + "belongs to no run: restore meta.db from a backup");
      if (!decode_batch(journal.blob(2))) {
        add(who + "(run '" + journal.text(1) + "') cannot be read: restore meta.db from a backup");
      }
    }
    Statement summary = connection_.prepare(
        "SELECT r.id, s.body FROM metric_summary s JOIN run r ON r.number = s.run ORDER BY s.run");
    while (TRY(summary.step())) {
      if (decode_batch(summary.blob(1))) continue;
      add("the latest metrics of run '" + summary.text(0) +
          "' cannot be read: restore meta.db from a backup");
    }
    return check_blocks();
  }

  Status check_blocks() {
    Statement block = connection_.prepare(
        "SELECT r.id, b.key, b.points, b.body FROM metric_block b JOIN run r ON r.number = b.run "
        "ORDER BY b.run, b.key, b.ordinal");
    std::vector<MetricCell> points;
    while (TRY(block.step())) {
      points.clear();
      const std::string who = "metric '" + block.text(1) + "' of run '" + block.text(0) + "': ";
      const Status read = decode_block(block.blob(3), 0, points);
      if (!read) {
        add(who + read.error().message + ": restore meta.db from a backup");
      } else if (static_cast<std::int64_t>(points.size()) != block.integer(2)) {
        add(who + "a block does not have as many points as its row says: restore meta.db from a backup");
      }
    }
    return {};
  }

  Connection& connection_;
  const store::Blobs& blobs_;
  std::vector<std::string>& problems_;
};

}  // namespace

Status check_record(store::Home& home, std::vector<std::string>& problems) {
  return home.database().read(
      [&](Connection& connection) { return RecordCheck(connection, home.blobs(), problems).run(); });
}

}  // namespace trimtab::registry

-- What the older schema cannot hold (versions of clients, logged models, tags) is lost on the way back.
DROP TABLE logged_model_metric;
DROP TABLE logged_model_tag;
DROP TABLE logged_model_param;
DROP TABLE logged_model;
DROP TABLE model_version_tag;
DROP TABLE registered_model_tag;

CREATE TABLE model_alias_old (
  model   TEXT NOT NULL,
  alias   TEXT NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY (model, alias),
  FOREIGN KEY (model, version) REFERENCES model_version (model, version)
) WITHOUT ROWID;
INSERT INTO model_alias_old
  SELECT a.model, a.alias, a.version FROM model_alias a JOIN model_version v USING (model, version)
  WHERE v.step_key IS NOT NULL AND v.deleted_ms IS NULL;
DROP TABLE model_alias;
ALTER TABLE model_alias_old RENAME TO model_alias;

CREATE TABLE model_version_old (
  model           TEXT NOT NULL REFERENCES registered_model (name),
  version         INTEGER NOT NULL,
  run_id          TEXT NOT NULL REFERENCES run (id),
  step_key        TEXT NOT NULL,
  status          TEXT NOT NULL CHECK (status IN ('PENDING_REGISTRATION', 'FAILED_REGISTRATION', 'READY')),
  manifest_sha256 TEXT NOT NULL,
  gates           TEXT NOT NULL CHECK (gates IN ('passed', 'refused', 'open')),
  created_ms      INTEGER NOT NULL,
  PRIMARY KEY (model, version),
  UNIQUE (model, step_key)
) WITHOUT ROWID;
INSERT INTO model_version_old
  SELECT model, version, run_id, step_key, status, manifest_sha256, gates, created_ms FROM model_version
  WHERE step_key IS NOT NULL AND deleted_ms IS NULL;
DROP TABLE model_version;
ALTER TABLE model_version_old RENAME TO model_version;
DELETE FROM gate_result
  WHERE NOT EXISTS (SELECT 1 FROM model_version v
                    WHERE v.model = gate_result.model AND v.version = gate_result.version);

CREATE TABLE registered_model_old (
  name        TEXT PRIMARY KEY,
  project     TEXT NOT NULL,
  description TEXT NOT NULL DEFAULT '',
  created_ms  INTEGER NOT NULL,
  updated_ms  INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO registered_model_old
  SELECT name, project, coalesce(description, ''), created_ms, updated_ms FROM registered_model
  WHERE project IS NOT NULL;
DROP TABLE registered_model;
ALTER TABLE registered_model_old RENAME TO registered_model;

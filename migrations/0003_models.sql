-- The registry as MLflow's clients fill it, beside what Trimtab trains: one table of versions, one numbering.
-- What only a trained version has (a step, a manifest, gates that decided) may be absent; gates are then 'open'.

CREATE TABLE registered_model_new (
  name        TEXT PRIMARY KEY,
  project     TEXT,                        -- NULL: made by a client; a project of that name takes it over
  description TEXT,
  created_ms  INTEGER NOT NULL,
  updated_ms  INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO registered_model_new SELECT name, project, description, created_ms, updated_ms FROM registered_model;
DROP TABLE registered_model;
ALTER TABLE registered_model_new RENAME TO registered_model;

CREATE TABLE registered_model_tag (
  model TEXT NOT NULL REFERENCES registered_model (name) ON UPDATE CASCADE,
  key   TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (model, key)
) WITHOUT ROWID;

CREATE TABLE model_version_new (
  model           TEXT NOT NULL REFERENCES registered_model (name) ON UPDATE CASCADE,
  version         INTEGER NOT NULL,
  run_id          TEXT,                    -- of this record when Trimtab trained it; a client may name any
  step_key        TEXT,                    -- of the training step; the same key never registers twice
  status          TEXT NOT NULL CHECK (status IN ('PENDING_REGISTRATION', 'FAILED_REGISTRATION', 'READY')),
  manifest_sha256 TEXT,                    -- blob: SHA-256 of every file of a trained version
  gates           TEXT NOT NULL CHECK (gates IN ('passed', 'refused', 'open')),
  created_ms      INTEGER NOT NULL,
  updated_ms      INTEGER NOT NULL,
  stage           TEXT NOT NULL DEFAULT 'None' CHECK (stage IN ('None', 'Staging', 'Production', 'Archived')),
  source          TEXT NOT NULL,           -- as it was given: "models:/m-…", "runs:/…", "s3://…"
  location        TEXT NOT NULL,           -- where its files are
  run_link        TEXT,
  description     TEXT,
  user_id         TEXT,
  status_message  TEXT,
  deleted_ms      INTEGER,                 -- its number is never given again
  PRIMARY KEY (model, version),
  UNIQUE (model, step_key)
) WITHOUT ROWID;
INSERT INTO model_version_new
  SELECT model, version, run_id, step_key, status, manifest_sha256, gates, created_ms, created_ms, 'None',
         'mlflow-artifacts:/models/' || model || '/' || version,
         'mlflow-artifacts:/models/' || model || '/' || version, NULL, NULL, NULL, NULL, NULL
  FROM model_version;
DROP TABLE model_version;
ALTER TABLE model_version_new RENAME TO model_version;
CREATE INDEX model_version_by_run ON model_version (run_id);

CREATE TABLE model_version_tag (
  model   TEXT NOT NULL,
  version INTEGER NOT NULL,
  key     TEXT NOT NULL,
  value   TEXT NOT NULL,
  PRIMARY KEY (model, version, key),
  FOREIGN KEY (model, version) REFERENCES model_version (model, version) ON UPDATE CASCADE
) WITHOUT ROWID;

CREATE TABLE model_alias_new (
  model   TEXT NOT NULL,
  alias   TEXT NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY (model, alias),
  FOREIGN KEY (model, version) REFERENCES model_version (model, version) ON UPDATE CASCADE
) WITHOUT ROWID;
INSERT INTO model_alias_new SELECT model, alias, version FROM model_alias;
DROP TABLE model_alias;
ALTER TABLE model_alias_new RENAME TO model_alias;
CREATE INDEX model_alias_by_version ON model_alias (model, version);

-- What a run (or nobody) logged as a model, before anybody registers it.
CREATE TABLE logged_model (
  id            TEXT PRIMARY KEY,          -- "m-" and 32 hexadecimal digits
  experiment_id INTEGER NOT NULL,
  name          TEXT NOT NULL,
  model_type    TEXT NOT NULL,
  source_run_id TEXT NOT NULL,             -- "": of no run
  location      TEXT NOT NULL,
  status        INTEGER NOT NULL,          -- MLflow's: 1 pending, 2 ready, 3 upload failed, 0 unspecified
  created_ms    INTEGER NOT NULL,
  updated_ms    INTEGER NOT NULL,
  deleted_ms    INTEGER
) WITHOUT ROWID;
CREATE INDEX logged_model_by_experiment ON logged_model (experiment_id, created_ms);
CREATE INDEX logged_model_by_run ON logged_model (source_run_id);

CREATE TABLE logged_model_param (
  model_id TEXT NOT NULL REFERENCES logged_model (id),
  key      TEXT NOT NULL,
  value    TEXT NOT NULL,
  PRIMARY KEY (model_id, key)
) WITHOUT ROWID;

CREATE TABLE logged_model_tag (
  model_id TEXT NOT NULL REFERENCES logged_model (id),
  key      TEXT NOT NULL,
  value    TEXT NOT NULL,
  PRIMARY KEY (model_id, key)
) WITHOUT ROWID;

-- A point of a metric that was logged with a model's id. NaN is kept as 0, for want of anything better.
CREATE TABLE logged_model_metric (
  model_id       TEXT NOT NULL REFERENCES logged_model (id),
  key            TEXT NOT NULL,
  run_id         TEXT NOT NULL,
  dataset_name   TEXT NOT NULL,            -- "": of no dataset
  dataset_digest TEXT NOT NULL,
  value          REAL NOT NULL,
  timestamp_ms   INTEGER NOT NULL,
  step           INTEGER NOT NULL,
  PRIMARY KEY (model_id, key, timestamp_ms, step, run_id, dataset_name, dataset_digest)
) WITHOUT ROWID;

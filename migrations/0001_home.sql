-- The home's first schema: history, data, steps, the MLflow-shaped record, endpoints, labels, incidents.
-- Times are microseconds since 1970 UTC unless a column says ms (MLflow's unit). *_json columns hold JSON text.

CREATE TABLE setting (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE audit (
  sequence        INTEGER PRIMARY KEY,     -- 1, 2, 3, … without gaps
  time            INTEGER NOT NULL,
  actor           TEXT NOT NULL,
  action          TEXT NOT NULL,
  object          TEXT NOT NULL,
  detail          TEXT NOT NULL,
  previous_sha256 TEXT NOT NULL,
  sha256          TEXT NOT NULL
);

-- A project that has been applied to this home, as it was then.
CREATE TABLE project (
  name       TEXT PRIMARY KEY,
  folder     TEXT NOT NULL,
  spec_text  TEXT NOT NULL,                -- trimtab.yaml as applied
  as_of      INTEGER,                      -- the --as-of of that apply, when there was one
  applied_at INTEGER NOT NULL
) WITHOUT ROWID;

-- The only path → blob map: files of runs, model versions and reports.
CREATE TABLE artifact (
  root        TEXT NOT NULL,               -- "run/<id>", "model/<name>/<version>"
  path        TEXT NOT NULL,
  blob_sha256 TEXT NOT NULL,
  size        INTEGER NOT NULL,
  PRIMARY KEY (root, path)
) WITHOUT ROWID;
CREATE INDEX artifact_by_blob ON artifact (blob_sha256);

-- One finished (or failed) step of the graph. The key is the hash of everything that the result depends on.
CREATE TABLE step_result (
  step_key       TEXT PRIMARY KEY,
  operation      TEXT NOT NULL,            -- "ingest", "prepare", "train", …
  label          TEXT NOT NULL,            -- for people: "ingest flights 2013-01-01.csv"
  outcome        TEXT NOT NULL CHECK (outcome IN ('done', 'failed')),
  outputs_json   TEXT NOT NULL,            -- name → {"blob","size"} and small values
  resources_json TEXT NOT NULL,            -- CPU seconds, peak RSS, wall, bytes read, rows
  log            TEXT NOT NULL,
  finished_at    INTEGER NOT NULL
) WITHOUT ROWID;

-- What a file of a source was when it was last hashed: (size, mtime, inode) unchanged means content unchanged.
CREATE TABLE source_file (
  path     TEXT PRIMARY KEY,
  size     INTEGER NOT NULL,
  mtime_ns INTEGER NOT NULL,
  inode    INTEGER NOT NULL,
  sha256   TEXT NOT NULL
) WITHOUT ROWID;

-- The current snapshot of a source or table: a manifest blob that lists immutable parts.
CREATE TABLE dataset (
  project         TEXT NOT NULL,
  name            TEXT NOT NULL,           -- "source/flights", "table/departures"
  manifest_sha256 TEXT NOT NULL,
  row_count       INTEGER NOT NULL,
  updated_at      INTEGER NOT NULL,
  PRIMARY KEY (project, name)
) WITHOUT ROWID;

-- Rows that came by POST …/tables/{name}/rows.
CREATE TABLE arrived_row (
  sequence INTEGER PRIMARY KEY,
  project  TEXT NOT NULL,
  source   TEXT NOT NULL,
  time     INTEGER,                        -- the row's own time
  received INTEGER NOT NULL,
  row_json TEXT NOT NULL,
  row_sha256 TEXT NOT NULL                 -- the same row again changes nothing
);
CREATE INDEX arrived_row_by_source ON arrived_row (project, source, time);
CREATE UNIQUE INDEX arrived_row_once ON arrived_row (project, source, row_sha256);

CREATE TABLE experiment (
  id              INTEGER PRIMARY KEY,
  name            TEXT NOT NULL UNIQUE,
  lifecycle_stage TEXT NOT NULL DEFAULT 'active' CHECK (lifecycle_stage IN ('active', 'deleted')),
  created_ms      INTEGER NOT NULL,
  updated_ms      INTEGER NOT NULL
);

CREATE TABLE run (
  id              TEXT PRIMARY KEY,        -- 32 hexadecimal digits
  experiment_id   INTEGER NOT NULL REFERENCES experiment (id),
  name            TEXT NOT NULL,
  status          TEXT NOT NULL CHECK (status IN ('RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED')),
  lifecycle_stage TEXT NOT NULL DEFAULT 'active' CHECK (lifecycle_stage IN ('active', 'deleted')),
  start_ms        INTEGER NOT NULL,
  end_ms          INTEGER
) WITHOUT ROWID;
CREATE INDEX run_by_experiment ON run (experiment_id, start_ms);

CREATE TABLE run_param (
  run_id TEXT NOT NULL REFERENCES run (id),
  key    TEXT NOT NULL,
  value  TEXT NOT NULL,
  PRIMARY KEY (run_id, key)
) WITHOUT ROWID;

CREATE TABLE run_metric (
  run_id       TEXT NOT NULL REFERENCES run (id),
  key          TEXT NOT NULL,
  step         INTEGER NOT NULL,
  timestamp_ms INTEGER NOT NULL,
  value        REAL NOT NULL,              -- 0 when is_nan
  is_nan       INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (run_id, key, step, timestamp_ms, value, is_nan)
) WITHOUT ROWID;

CREATE TABLE run_tag (
  run_id TEXT NOT NULL REFERENCES run (id),
  key    TEXT NOT NULL,
  value  TEXT NOT NULL,
  PRIMARY KEY (run_id, key)
) WITHOUT ROWID;
CREATE INDEX run_tag_by_value ON run_tag (key, value);

-- Lineage: what a run read and made, by content hash.
CREATE TABLE lineage (
  run_id    TEXT NOT NULL REFERENCES run (id),
  direction TEXT NOT NULL CHECK (direction IN ('input', 'output')),
  kind      TEXT NOT NULL,                 -- "snapshot", "model", "report"
  name      TEXT NOT NULL,
  sha256    TEXT NOT NULL,
  PRIMARY KEY (run_id, direction, kind, name)
) WITHOUT ROWID;

CREATE TABLE registered_model (
  name        TEXT PRIMARY KEY,
  project     TEXT NOT NULL,
  description TEXT NOT NULL DEFAULT '',
  created_ms  INTEGER NOT NULL,
  updated_ms  INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE model_version (
  model           TEXT NOT NULL REFERENCES registered_model (name),
  version         INTEGER NOT NULL,
  run_id          TEXT NOT NULL REFERENCES run (id),
  step_key        TEXT NOT NULL,           -- of the training step; the same key never registers twice
  status          TEXT NOT NULL CHECK (status IN ('PENDING_REGISTRATION', 'FAILED_REGISTRATION', 'READY')),
  manifest_sha256 TEXT NOT NULL,           -- blob: SHA-256 of every file of the version
  gates           TEXT NOT NULL CHECK (gates IN ('passed', 'refused', 'open')),
  created_ms      INTEGER NOT NULL,
  PRIMARY KEY (model, version),
  UNIQUE (model, step_key)
) WITHOUT ROWID;

CREATE TABLE model_alias (
  model   TEXT NOT NULL,
  alias   TEXT NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY (model, alias),
  FOREIGN KEY (model, version) REFERENCES model_version (model, version)
) WITHOUT ROWID;

CREATE TABLE gate_result (
  model     TEXT NOT NULL,
  version   INTEGER NOT NULL,
  moment    TEXT NOT NULL,                 -- "training", "rollout"
  ordinal   INTEGER NOT NULL,
  gate      TEXT NOT NULL,                 -- as declared: "auc >= 0.68"
  value     REAL,                          -- NULL: could not be computed, see reason
  low       REAL,
  high      REAL,
  threshold REAL,
  verdict   TEXT NOT NULL CHECK (verdict IN ('pass', 'fail', 'unknown')),
  reason    TEXT NOT NULL,
  PRIMARY KEY (model, version, moment, ordinal),
  FOREIGN KEY (model, version) REFERENCES model_version (model, version)
) WITHOUT ROWID;

-- Who is champion: serving_version, changed only by the rollout, with its audit row in the same transaction.
CREATE TABLE endpoint (
  name               TEXT PRIMARY KEY,
  project            TEXT NOT NULL,
  model              TEXT NOT NULL REFERENCES registered_model (name),
  serving_version    INTEGER,              -- NULL until a first version has passed its gates
  challenger_version INTEGER,
  previous_version   INTEGER,              -- stays warm through probation
  health             TEXT NOT NULL DEFAULT 'healthy'
                     CHECK (health IN ('healthy', 'degraded', 'healing', 'needs_attention')),
  changed_at         INTEGER NOT NULL,
  FOREIGN KEY (model, serving_version) REFERENCES model_version (model, version)
) WITHOUT ROWID;

CREATE TABLE label (
  endpoint      TEXT NOT NULL,
  prediction_id TEXT NOT NULL,
  revision      INTEGER NOT NULL,          -- 1, 2, …: the latest counts
  value         REAL NOT NULL,
  time          INTEGER NOT NULL,          -- when it became known
  received      INTEGER NOT NULL,
  PRIMARY KEY (endpoint, prediction_id, revision)
) WITHOUT ROWID;

-- One labelled batch of an endpoint, as every version that scored it did. Never rewritten once it is closed.
CREATE TABLE batch_performance (
  endpoint    TEXT NOT NULL,
  batch       INTEGER NOT NULL,            -- start of the batch (event time)
  version     INTEGER NOT NULL,
  role        TEXT NOT NULL,               -- "served", "shadow", "previous"
  predictions INTEGER NOT NULL,
  labels      INTEGER NOT NULL,
  metrics_json TEXT NOT NULL,
  closed_at   INTEGER NOT NULL,
  PRIMARY KEY (endpoint, batch, version, role)
) WITHOUT ROWID;

CREATE TABLE incident (
  id        INTEGER PRIMARY KEY,
  endpoint  TEXT NOT NULL,
  state     TEXT NOT NULL CHECK (state IN ('detected', 'diagnosed', 'treated', 'verified', 'closed')),
  summary   TEXT NOT NULL,
  opened_at INTEGER NOT NULL,
  closed_at INTEGER
);

-- The incident's journal. A treatment is written here before its side effect and carries an idempotency key.
CREATE TABLE incident_event (
  incident INTEGER NOT NULL REFERENCES incident (id),
  ordinal  INTEGER NOT NULL,
  time     INTEGER NOT NULL,
  kind     TEXT NOT NULL,                  -- "detected", "verdict", "treatment", "outcome", "closed"
  detail_json TEXT NOT NULL,
  PRIMARY KEY (incident, ordinal)
) WITHOUT ROWID;

-- What the healing loop must remember between two looks (evidence sums, budgets), one JSON an endpoint.
CREATE TABLE heal_state (
  endpoint   TEXT PRIMARY KEY,
  state_json TEXT NOT NULL,
  updated_at INTEGER NOT NULL
) WITHOUT ROWID;

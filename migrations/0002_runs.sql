-- The record in the shape that MLflow's clients ask for: runs have a number beside their id, metrics are
-- journaled a request at a time and sealed into blocks, and runs know their inputs and outputs.
-- Foreign keys are not enforced while migrations run, so that a table can be made anew under its old name;
-- what refers to the new one follows it when it is renamed.

ALTER TABLE experiment ADD COLUMN artifact_location TEXT NOT NULL DEFAULT '';
UPDATE experiment SET artifact_location = 'mlflow-artifacts:/' || id;

-- Number 0 is what MLflow's clients write to when they name no experiment.
INSERT OR IGNORE INTO experiment (id, name, created_ms, updated_ms, artifact_location)
SELECT 0,
       CASE WHEN EXISTS (SELECT 1 FROM experiment WHERE name = 'Default')
            THEN 'Default of MLflow' ELSE 'Default' END,
       moment, moment, 'mlflow-artifacts:/0'
FROM (SELECT coalesce(max(applied_at), 0) / 1000 AS moment FROM schema_migration);

CREATE TABLE experiment_tag (
  experiment_id INTEGER NOT NULL REFERENCES experiment (id),
  key           TEXT NOT NULL,
  value         TEXT NOT NULL,
  PRIMARY KEY (experiment_id, key)
) WITHOUT ROWID;

CREATE TABLE run_anew (
  number          INTEGER PRIMARY KEY,     -- 1, 2, 3, … in order of creation; what other tables refer to
  id              TEXT NOT NULL UNIQUE,    -- 32 hexadecimal digits; what the world refers to
  experiment_id   INTEGER NOT NULL REFERENCES experiment (id),
  name            TEXT NOT NULL,
  user_id         TEXT NOT NULL DEFAULT '',
  status          TEXT NOT NULL CHECK (status IN ('RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED')),
  lifecycle_stage TEXT NOT NULL DEFAULT 'active' CHECK (lifecycle_stage IN ('active', 'deleted')),
  start_ms        INTEGER NOT NULL,
  end_ms          INTEGER,
  deleted_ms      INTEGER                  -- when it was deleted; NULL while it is active
);
INSERT INTO run_anew (id, experiment_id, name, status, lifecycle_stage, start_ms, end_ms)
SELECT id, experiment_id, name, status, lifecycle_stage, start_ms, end_ms FROM run ORDER BY start_ms, id;

CREATE TABLE run_param_anew (
  run   INTEGER NOT NULL REFERENCES run_anew (number),
  key   TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (run, key)
) WITHOUT ROWID;
INSERT INTO run_param_anew
SELECT r.number, p.key, p.value FROM run_param p JOIN run_anew r ON r.id = p.run_id;

CREATE TABLE run_tag_anew (
  run   INTEGER NOT NULL REFERENCES run_anew (number),
  key   TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (run, key)
) WITHOUT ROWID;
INSERT INTO run_tag_anew
SELECT r.number, t.key, t.value FROM run_tag t JOIN run_anew r ON r.id = t.run_id;

-- Metric points as they came, a row a request, until they are sealed. It grows at its end only, so that
-- many writers share few pages; that is why nothing refers to the run here and fsck looks instead.
CREATE TABLE metric_journal (
  sequence INTEGER PRIMARY KEY,
  run      INTEGER NOT NULL,
  -- metric_batch.h; a text is JSON: [[key, timestamp, step, "value"], …], what SQL can write
  body     BLOB NOT NULL
);
INSERT INTO metric_journal (run, body)
SELECT r.number, json_group_array(json_array(
         m.key, m.timestamp_ms, m.step, CASE WHEN m.is_nan THEN 'NaN' ELSE printf('%!.20g', m.value) END))
FROM run_metric m JOIN run_anew r ON r.id = m.run_id GROUP BY r.number;

-- Sealed points of one metric of one run, compressed: metric_block.h. Blocks of a metric may overlap in time.
CREATE TABLE metric_block (
  run     INTEGER NOT NULL REFERENCES run (number),
  key     TEXT NOT NULL,
  ordinal INTEGER NOT NULL,                -- 1, 2, …: in the order of sealing
  points  INTEGER NOT NULL,
  body    BLOB NOT NULL,
  PRIMARY KEY (run, key, ordinal)
) WITHOUT ROWID;

-- The latest point of each sealed metric of a run, so that a start reads no blocks.
CREATE TABLE metric_summary (
  run  INTEGER PRIMARY KEY REFERENCES run (number),
  body BLOB NOT NULL                       -- metric_batch.h, one point a key
);

-- A dataset as MLflow knows it: what a run says that it read.
CREATE TABLE logged_dataset (
  number        INTEGER PRIMARY KEY,
  experiment_id INTEGER NOT NULL REFERENCES experiment (id),
  name          TEXT NOT NULL,
  digest        TEXT NOT NULL,
  source_type   TEXT NOT NULL,
  source        TEXT NOT NULL,
  schema        TEXT NOT NULL,             -- '': none was given
  profile       TEXT NOT NULL,             -- '': none was given
  UNIQUE (experiment_id, name, digest)
);

CREATE TABLE run_dataset (
  run       INTEGER NOT NULL REFERENCES run (number),
  dataset   INTEGER NOT NULL REFERENCES logged_dataset (number),
  tags_json TEXT NOT NULL,                 -- [[key, value], …]
  PRIMARY KEY (run, dataset)
) WITHOUT ROWID;

CREATE TABLE run_model (
  run       INTEGER NOT NULL REFERENCES run (number),
  direction TEXT NOT NULL CHECK (direction IN ('input', 'output')),
  model_id  TEXT NOT NULL,
  step      INTEGER NOT NULL,              -- 0 for an input
  PRIMARY KEY (run, direction, model_id, step)
) WITHOUT ROWID;

DROP TABLE run_param;
DROP TABLE run_tag;
DROP TABLE run_metric;
DROP TABLE run;
ALTER TABLE run_anew RENAME TO run;
ALTER TABLE run_param_anew RENAME TO run_param;
ALTER TABLE run_tag_anew RENAME TO run_tag;
CREATE INDEX run_by_experiment ON run (experiment_id);

-- Metrics that are still journaled as text go back to rows. Packed points (journal, blocks, summaries) cannot
-- be read by SQL: going down loses them, and what the older schema has no place for (inputs, outputs, users,
-- tags of experiments).
CREATE TABLE run_before (
  id              TEXT PRIMARY KEY,        -- 32 hexadecimal digits
  experiment_id   INTEGER NOT NULL REFERENCES experiment (id),
  name            TEXT NOT NULL,
  status          TEXT NOT NULL CHECK (status IN ('RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED')),
  lifecycle_stage TEXT NOT NULL DEFAULT 'active' CHECK (lifecycle_stage IN ('active', 'deleted')),
  start_ms        INTEGER NOT NULL,
  end_ms          INTEGER
) WITHOUT ROWID;
INSERT INTO run_before SELECT id, experiment_id, name, status, lifecycle_stage, start_ms, end_ms FROM run;

CREATE TABLE run_param_before (
  run_id TEXT NOT NULL REFERENCES run (id),
  key    TEXT NOT NULL,
  value  TEXT NOT NULL,
  PRIMARY KEY (run_id, key)
) WITHOUT ROWID;
INSERT INTO run_param_before SELECT r.id, p.key, p.value FROM run_param p JOIN run r ON r.number = p.run;

CREATE TABLE run_metric (
  run_id       TEXT NOT NULL REFERENCES run (id),
  key          TEXT NOT NULL,
  step         INTEGER NOT NULL,
  timestamp_ms INTEGER NOT NULL,
  value        REAL NOT NULL,              -- 0 when is_nan
  is_nan       INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (run_id, key, step, timestamp_ms, value, is_nan)
) WITHOUT ROWID;
INSERT OR IGNORE INTO run_metric (run_id, key, step, timestamp_ms, value, is_nan)
SELECT r.id, p.value ->> 0, p.value ->> 2, p.value ->> 1,
       CASE p.value ->> 3 WHEN 'NaN' THEN 0 ELSE CAST(p.value ->> 3 AS REAL) END, (p.value ->> 3) = 'NaN'
FROM metric_journal j JOIN run r ON r.number = j.run, json_each(j.body) p WHERE typeof(j.body) = 'text';

CREATE TABLE run_tag_before (
  run_id TEXT NOT NULL REFERENCES run (id),
  key    TEXT NOT NULL,
  value  TEXT NOT NULL,
  PRIMARY KEY (run_id, key)
) WITHOUT ROWID;
INSERT INTO run_tag_before SELECT r.id, t.key, t.value FROM run_tag t JOIN run r ON r.number = t.run;

DROP TABLE run_model;
DROP TABLE run_dataset;
DROP TABLE logged_dataset;
DROP TABLE metric_summary;
DROP TABLE metric_block;
DROP TABLE metric_journal;
DROP TABLE run_tag;
DROP TABLE run_param;
DROP TABLE run;
ALTER TABLE run_before RENAME TO run;
ALTER TABLE run_param_before RENAME TO run_param;
ALTER TABLE run_tag_before RENAME TO run_tag;
CREATE INDEX run_by_experiment ON run (experiment_id, start_ms);
CREATE INDEX run_tag_by_value ON run_tag (key, value);
DROP TABLE experiment_tag;
DELETE FROM experiment WHERE id = 0 AND NOT EXISTS (SELECT 1 FROM run WHERE experiment_id = 0);
ALTER TABLE experiment DROP COLUMN artifact_location;

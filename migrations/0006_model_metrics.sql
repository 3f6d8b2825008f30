-- `value` moves behind the columns of the key. SQLite 3.40 looks for a REAL NOT NULL column in the wrong place of
-- a row when a WITHOUT ROWID table has it before a key column: its integrity_check then called a sound home damaged.
CREATE TABLE logged_model_metric_new (
  model_id       TEXT NOT NULL REFERENCES logged_model (id),
  key            TEXT NOT NULL,
  run_id         TEXT NOT NULL,
  dataset_name   TEXT NOT NULL,            -- "": of no dataset
  dataset_digest TEXT NOT NULL,
  timestamp_ms   INTEGER NOT NULL,
  step           INTEGER NOT NULL,
  value          REAL NOT NULL,
  PRIMARY KEY (model_id, key, timestamp_ms, step, run_id, dataset_name, dataset_digest)
) WITHOUT ROWID;
INSERT INTO logged_model_metric_new
  SELECT model_id, key, run_id, dataset_name, dataset_digest, timestamp_ms, step, value FROM logged_model_metric;
DROP TABLE logged_model_metric;
ALTER TABLE logged_model_metric_new RENAME TO logged_model_metric;

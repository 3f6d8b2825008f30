CREATE TABLE logged_model_metric_old (
  model_id       TEXT NOT NULL REFERENCES logged_model (id),
  key            TEXT NOT NULL,
  run_id         TEXT NOT NULL,
  dataset_name   TEXT NOT NULL,
  dataset_digest TEXT NOT NULL,
  value          REAL NOT NULL,
  timestamp_ms   INTEGER NOT NULL,
  step           INTEGER NOT NULL,
  PRIMARY KEY (model_id, key, timestamp_ms, step, run_id, dataset_name, dataset_digest)
) WITHOUT ROWID;
INSERT INTO logged_model_metric_old
  SELECT model_id, key, run_id, dataset_name, dataset_digest, value, timestamp_ms, step FROM logged_model_metric;
DROP TABLE logged_model_metric;
ALTER TABLE logged_model_metric_old RENAME TO logged_model_metric;

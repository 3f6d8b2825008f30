SELECT
  (SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN (
     'run', 'run_param', 'run_tag', 'experiment_tag', 'metric_journal', 'metric_block', 'metric_summary',
     'logged_dataset', 'run_dataset', 'run_model')) = 10,
  (SELECT count(*) FROM sqlite_schema WHERE name = 'run_metric' OR name LIKE '%_anew') = 0,
  (SELECT count(*) FROM experiment WHERE id = 0 AND artifact_location = 'mlflow-artifacts:/0') = 1,
  (SELECT count(*) FROM pragma_foreign_key_check()) = 0;

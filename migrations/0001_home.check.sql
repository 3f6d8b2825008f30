SELECT
  (SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN (
     'setting', 'audit', 'project', 'artifact', 'step_result', 'source_file', 'dataset', 'arrived_row',
     'experiment', 'run', 'run_param', 'run_metric', 'run_tag', 'lineage', 'registered_model', 'model_version',
     'model_alias', 'gate_result', 'endpoint', 'label', 'batch_performance', 'incident', 'incident_event',
     'heal_state')) = 24,
  (SELECT count(*) FROM pragma_foreign_key_check()) = 0;

SELECT
  (SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN (
     'webhook', 'webhook_event', 'delivery', 'trace', 'trace_tag', 'trace_metadata', 'trace_span',
     'trace_assessment', 'trace_run', 'upload')) = 10,
  (SELECT count(*) FROM pragma_foreign_key_check()) = 0;

SELECT
  (SELECT name FROM pragma_table_info('logged_model_metric') ORDER BY cid DESC LIMIT 1) = 'value',
  (SELECT count(*) FROM sqlite_schema WHERE name LIKE '%\_new' ESCAPE '\') = 0,
  (SELECT count(*) FROM pragma_foreign_key_check()) = 0;

SELECT
  (SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN (
     'registered_model', 'registered_model_tag', 'model_version', 'model_version_tag', 'model_alias',
     'logged_model', 'logged_model_param', 'logged_model_tag', 'logged_model_metric')) = 9,
  (SELECT count(*) FROM sqlite_schema WHERE name LIKE '%\_new' ESCAPE '\') = 0,
  (SELECT count(*) FROM model_version WHERE location = '') = 0,
  (SELECT count(*) FROM pragma_foreign_key_check()) = 0;

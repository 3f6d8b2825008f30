SELECT
  (SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN (
     'person', 'person_group', 'group_member', 'role_grant', 'credential', 'identity')) = 6,
  (SELECT count(*) FROM pragma_foreign_key_check()) = 0;

DROP TABLE identity;
DROP TABLE credential;
DROP TABLE role_grant;
DROP TABLE group_member;
DROP TABLE person_group;
DROP TABLE person;

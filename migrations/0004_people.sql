-- People, what they may do, and how they prove who they are. A scope is '' (the whole server), 'experiment/7' or
-- 'model/late'; a project is the experiment of its name.

CREATE TABLE person (
  name                TEXT PRIMARY KEY,
  password_hash       TEXT NOT NULL,       -- argon2id; '' when there is no password to sign in with
  password_changed_at INTEGER NOT NULL,
  created_at          INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE person_group (
  name       TEXT PRIMARY KEY,
  created_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE group_member (
  group_name TEXT NOT NULL REFERENCES person_group (name),
  person     TEXT NOT NULL REFERENCES person (name),
  PRIMARY KEY (group_name, person)
) WITHOUT ROWID;

CREATE TABLE role_grant (
  holder_kind TEXT NOT NULL CHECK (holder_kind IN ('person', 'group')),
  holder      TEXT NOT NULL,
  scope       TEXT NOT NULL,
  role        TEXT NOT NULL CHECK (role IN ('viewer', 'editor', 'deployer', 'approver', 'admin')),
  PRIMARY KEY (holder_kind, holder, scope)
) WITHOUT ROWID;
CREATE INDEX role_grant_by_scope ON role_grant (scope);

-- Personal access tokens, and sessions of browsers. The secret itself is nowhere.
CREATE TABLE credential (
  id           TEXT PRIMARY KEY,           -- 32 hexadecimal digits
  kind         TEXT NOT NULL CHECK (kind IN ('token', 'session')),
  sha256       TEXT NOT NULL UNIQUE,       -- of the secret
  person       TEXT NOT NULL REFERENCES person (name),
  label        TEXT NOT NULL,              -- what its owner calls it
  role_max     TEXT NOT NULL CHECK (role_max IN ('viewer', 'editor', 'deployer', 'approver', 'admin')),
  scope        TEXT NOT NULL,              -- valid there alone; '' everywhere
  forgery_key  TEXT NOT NULL,              -- of a session: what its pages must send when they change things
  created_at   INTEGER NOT NULL,
  expires_at   INTEGER,                    -- NULL: never
  last_used_at INTEGER                     -- to the minute; NULL: never
) WITHOUT ROWID;
CREATE INDEX credential_by_person ON credential (person);

-- Who a person is at an identity provider.
CREATE TABLE identity (
  issuer  TEXT NOT NULL,
  subject TEXT NOT NULL,
  person  TEXT NOT NULL REFERENCES person (name),
  PRIMARY KEY (issuer, subject)
) WITHOUT ROWID;

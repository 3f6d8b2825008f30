-- What the rest of MLflow's surface needs: webhooks with the queue of what is to be sent, traces with their
-- spans and assessments, and uploads in parts.

CREATE TABLE webhook (
  id          TEXT PRIMARY KEY,
  name        TEXT NOT NULL,
  description TEXT NOT NULL,
  url         TEXT NOT NULL,
  secret      TEXT NOT NULL,               -- signs what is sent; "": unsigned. Never given out again
  is_active   INTEGER NOT NULL CHECK (is_active IN (0, 1)),
  created_ms  INTEGER NOT NULL,
  updated_ms  INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE webhook_event (
  webhook_id TEXT NOT NULL REFERENCES webhook (id) ON DELETE CASCADE,
  event      TEXT NOT NULL,                -- "model_version.created"
  place      INTEGER NOT NULL,             -- in the list that was given
  PRIMARY KEY (event, webhook_id)
) WITHOUT ROWID;
CREATE INDEX webhook_event_by_webhook ON webhook_event (webhook_id);

-- What is still to be sent, and what could not be. A row is written in the transaction of what it tells.
CREATE TABLE delivery (
  sequence   INTEGER PRIMARY KEY,
  id         TEXT NOT NULL UNIQUE,         -- the receiver knows a repetition by it
  webhook_id TEXT REFERENCES webhook (id) ON DELETE CASCADE,  -- NULL: goes to `url` with `secret`
  url        TEXT NOT NULL DEFAULT '',
  secret     TEXT NOT NULL DEFAULT '',
  event      TEXT NOT NULL,
  body       TEXT NOT NULL,
  created_us INTEGER NOT NULL,
  due_us     INTEGER,                      -- NULL: given up
  attempts   INTEGER NOT NULL DEFAULT 0,
  last_error TEXT NOT NULL DEFAULT ''
);
CREATE INDEX delivery_by_due ON delivery (due_us) WHERE due_us IS NOT NULL;
CREATE INDEX delivery_by_webhook ON delivery (webhook_id);

CREATE TABLE trace (
  number           INTEGER PRIMARY KEY,
  id               TEXT NOT NULL UNIQUE,   -- "tr-" and 32 hexadecimal digits, or what an old client was given
  experiment_id    INTEGER NOT NULL REFERENCES experiment (id),
  request_ms       INTEGER NOT NULL,
  duration_ms      INTEGER,                -- NULL: it goes on
  state            TEXT NOT NULL CHECK (state IN ('STATE_UNSPECIFIED', 'OK', 'ERROR', 'IN_PROGRESS')),
  client_id        TEXT,
  request_preview  TEXT,
  response_preview TEXT,
  has_info         INTEGER NOT NULL        -- 0: only its spans have come so far
);
CREATE INDEX trace_by_experiment ON trace (experiment_id, request_ms);

CREATE TABLE trace_tag (
  trace INTEGER NOT NULL REFERENCES trace (number) ON DELETE CASCADE,
  key   TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (trace, key)
) WITHOUT ROWID;

CREATE TABLE trace_metadata (
  trace INTEGER NOT NULL REFERENCES trace (number) ON DELETE CASCADE,
  key   TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (trace, key)
) WITHOUT ROWID;

CREATE TABLE trace_span (
  trace     INTEGER NOT NULL REFERENCES trace (number) ON DELETE CASCADE,
  span_id   TEXT NOT NULL,                 -- 16 hexadecimal digits
  parent_id TEXT NOT NULL,                 -- "": the root
  name      TEXT NOT NULL,
  type      TEXT NOT NULL,                 -- "CHAIN", "LLM", …; "" when nobody said
  status    TEXT NOT NULL,                 -- "OK", "ERROR", "UNSET"
  start_ns  INTEGER NOT NULL,
  end_ns    INTEGER NOT NULL,
  body      TEXT NOT NULL,                 -- JSON: the span as it goes out again
  PRIMARY KEY (trace, span_id)
) WITHOUT ROWID;

CREATE TABLE trace_assessment (
  trace         INTEGER NOT NULL REFERENCES trace (number) ON DELETE CASCADE,
  assessment_id TEXT NOT NULL,
  name          TEXT NOT NULL,
  kind          TEXT NOT NULL CHECK (kind IN ('feedback', 'expectation', 'issue')),
  value         TEXT NOT NULL,             -- as a filter compares it
  is_valid      INTEGER NOT NULL,          -- 0: another one has overridden it
  body          TEXT NOT NULL,             -- JSON: the assessment as it goes out again
  PRIMARY KEY (trace, assessment_id)
) WITHOUT ROWID;

-- Traces that belong to a run beside the one that they were made in.
CREATE TABLE trace_run (
  trace  INTEGER NOT NULL REFERENCES trace (number) ON DELETE CASCADE,
  run_id TEXT NOT NULL,
  PRIMARY KEY (run_id, trace)
) WITHOUT ROWID;
CREATE INDEX trace_run_by_trace ON trace_run (trace);

-- A file that comes in parts, which are files in uploads/<id> until they are joined or given up.
CREATE TABLE upload (
  id         TEXT PRIMARY KEY,
  root       TEXT NOT NULL,                -- where it will stand: as in artifact
  path       TEXT NOT NULL,
  parts      INTEGER NOT NULL,             -- how many were announced
  created_us INTEGER NOT NULL
) WITHOUT ROWID;

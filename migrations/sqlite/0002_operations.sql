-- Operations as a resource: found by what they are about, announced before Graph speaks of them, watched.

ALTER TABLE operations ADD COLUMN version INTEGER NOT NULL DEFAULT 1;  -- grows with every change
ALTER TABLE operations ADD COLUMN tenant_id TEXT;
ALTER TABLE operations ADD COLUMN completion_reason TEXT;
ALTER TABLE operations ADD COLUMN result_code INTEGER;
ALTER TABLE operations ADD COLUMN result_subcode INTEGER;
-- The event whose word stands: the result's message, where the recording lies, and its token are sealed in it.
ALTER TABLE operations ADD COLUMN state_event INTEGER;

CREATE INDEX operations_by_creation ON operations (created_at);
CREATE INDEX operations_by_context ON operations (client_context, created_at) WHERE client_context IS NOT NULL;
CREATE INDEX operations_by_status ON operations (status, created_at);
-- The start of a call's id is enough to find it, and the entries stay small.
CREATE INDEX operations_by_call ON operations (substr(call_id, 1, 8)) WHERE call_id <> '';
CREATE INDEX operations_open_by_call ON operations (call_id) WHERE is_terminal = 0 AND call_id <> '';

-- What clients announced. id is the operation's id until Graph gives it one; lookups has both.
CREATE TABLE expectations (
    operation   INTEGER PRIMARY KEY,
    id          TEXT NOT NULL,
    state       TEXT NOT NULL,
    expected_by INTEGER,
    metadata    TEXT,                              -- a JSON object
    sinks       TEXT NOT NULL,                     -- a JSON array of names
    waits_for   TEXT                               -- the client context ('': none) until Graph's id is known
);
-- Of those that wait for one client context: first the waiting, then the overdue, then the lost; the oldest first.
CREATE INDEX expectations_waiting ON expectations (waits_for, state DESC) WHERE waits_for IS NOT NULL;

-- When the watch is to speak of an operation. kind: 0 overdue, 1 lost.
CREATE TABLE watches (
    at        INTEGER NOT NULL,
    operation INTEGER NOT NULL,
    kind      INTEGER NOT NULL,
    PRIMARY KEY (at, operation, kind)
) WITHOUT ROWID;
CREATE INDEX watches_by_operation ON watches (operation);

-- The highest rows that were removed: a number is never given twice, since ids and pages name it.
CREATE TABLE removed (event INTEGER NOT NULL, operation INTEGER NOT NULL);
INSERT INTO removed VALUES (0, 0);

-- Sinks that an operator paused.
CREATE TABLE paused_sinks (
    sink      TEXT PRIMARY KEY,
    paused_at INTEGER NOT NULL
) WITHOUT ROWID;

-- The spine. Instants are microseconds since 1970. Columns named sealed_* are AES-256-GCM; no other column holds a secret.

CREATE TABLE operations (
    seq               INTEGER PRIMARY KEY,
    id                TEXT    NOT NULL,
    call_id           TEXT    NOT NULL,           -- '' where it is not known
    client_context    TEXT,
    tenant_id         TEXT,
    status            TEXT    NOT NULL,
    is_terminal       INTEGER NOT NULL,
    result_code       INTEGER,
    result_subcode    INTEGER,
    result_message    TEXT,
    completion_reason TEXT,
    recording_location TEXT,
    created_at        INTEGER NOT NULL,
    modified_at       INTEGER NOT NULL,
    UNIQUE (id, call_id)
);
CREATE INDEX operations_open_by_context ON operations (client_context) WHERE is_terminal = 0;

CREATE TABLE events (
    id              BLOB    NOT NULL PRIMARY KEY, -- UUIDv7
    received_at     INTEGER NOT NULL,
    channel         TEXT    NOT NULL,
    kind            TEXT    NOT NULL,
    resource_type   TEXT    NOT NULL,
    resource        TEXT    NOT NULL,
    client_context  TEXT,
    tenant_id       TEXT,
    status          TEXT,
    op_seq          INTEGER,
    op_order        TEXT,
    previous_status TEXT,
    subscription_id TEXT,
    graph_id        TEXT,
    short_hash      INTEGER NOT NULL,             -- the first 8 bytes of hash: a small index
    hash            BLOB    NOT NULL,             -- SHA-256 of channel, subscription and raw item
    is_matched      INTEGER NOT NULL,
    sealed_data     BLOB    NOT NULL,
    sealed_raw      BLOB    NOT NULL,
    sealed_token    BLOB
);
CREATE INDEX events_by_hash ON events (short_hash);
CREATE INDEX events_by_operation ON events (op_seq) WHERE op_seq IS NOT NULL;
CREATE INDEX events_by_graph_id ON events (graph_id, subscription_id) WHERE graph_id IS NOT NULL;
CREATE INDEX events_unmatched ON events (id) WHERE is_matched = 0;
CREATE INDEX events_with_token ON events (id) WHERE sealed_token IS NOT NULL;

-- state: 0 open, 1 blocked, 2 delivered, 3 dead. due_at of a leased delivery is the end of its lease.
CREATE TABLE deliveries (
    event_id    BLOB    NOT NULL,
    sink        TEXT    NOT NULL,
    id          BLOB    NOT NULL,                 -- UUIDv7: what the receiver sees
    route       TEXT    NOT NULL,
    captures    TEXT,
    op_seq      INTEGER,
    state       INTEGER NOT NULL,
    due_at      INTEGER NOT NULL,
    is_leased   INTEGER NOT NULL,
    lease_token INTEGER NOT NULL,
    n_attempts  INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    settled_at  INTEGER,
    reason      TEXT,
    PRIMARY KEY (event_id, sink)
) WITHOUT ROWID;
CREATE INDEX deliveries_due ON deliveries (sink, due_at) WHERE state = 0;
CREATE INDEX deliveries_unsettled ON deliveries (op_seq, sink) WHERE state < 2;
CREATE INDEX deliveries_dead ON deliveries (id) WHERE state = 3;

-- Attempts that failed; the one that succeeded is told by its delivery.
CREATE TABLE attempts (
    event_id   BLOB    NOT NULL,
    sink       TEXT    NOT NULL,
    number     INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    took       INTEGER NOT NULL,                  -- microseconds
    reason     TEXT    NOT NULL,
    PRIMARY KEY (event_id, sink, number, started_at)
) WITHOUT ROWID;

-- wish: NULL none, 0 judge again, 1 judge again with the operator's word for its origin.
CREATE TABLE quarantine (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    received_at INTEGER NOT NULL,
    channel     TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    n_bytes     INTEGER NOT NULL,
    sealed_raw  BLOB    NOT NULL,
    wish        INTEGER
);
CREATE INDEX quarantine_wished ON quarantine (id) WHERE wish IS NOT NULL;
CREATE TABLE quarantine_size (n_entries INTEGER NOT NULL, n_bytes INTEGER NOT NULL);
INSERT INTO quarantine_size VALUES (0, 0);
CREATE TRIGGER quarantine_grows AFTER INSERT ON quarantine BEGIN
    UPDATE quarantine_size SET n_entries = n_entries + 1, n_bytes = n_bytes + NEW.n_bytes;
END;
CREATE TRIGGER quarantine_shrinks AFTER DELETE ON quarantine BEGIN
    UPDATE quarantine_size SET n_entries = n_entries - 1, n_bytes = n_bytes - OLD.n_bytes;
END;

CREATE TABLE heartbeat (beaten_at INTEGER NOT NULL);
INSERT INTO heartbeat VALUES (0);

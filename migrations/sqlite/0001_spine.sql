-- The spine. Instants are microseconds since 1970. Columns named sealed are AES-256-GCM; no other column holds a secret.
-- Every key but lookups' is ordered by arrival, so that its pages are appended to.

CREATE TABLE operations (
    seq            INTEGER PRIMARY KEY,
    id             TEXT    NOT NULL,
    call_id        TEXT    NOT NULL,              -- '' where it is not known
    client_context TEXT,
    status         TEXT    NOT NULL,
    is_terminal    INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    modified_at    INTEGER NOT NULL
);
CREATE INDEX operations_open_by_context ON operations (client_context)
    WHERE is_terminal = 0 AND client_context IS NOT NULL;

-- seq is part of id: an event is found by its id without an index.
CREATE TABLE events (
    seq             INTEGER PRIMARY KEY,
    id              BLOB    NOT NULL,             -- UUIDv7
    received_at     INTEGER NOT NULL,
    channel         TEXT    NOT NULL,
    op_seq          INTEGER,
    hash            BLOB    NOT NULL,             -- 16 bytes of SHA-256 over channel, subscription and raw item
    lookup          INTEGER,                      -- its key in lookups, where it has one
    is_matched      INTEGER NOT NULL,
    has_token       INTEGER NOT NULL,
    kind            TEXT    NOT NULL,
    resource_type   TEXT    NOT NULL,
    resource        TEXT    NOT NULL,
    client_context  TEXT,
    tenant_id       TEXT,
    subscription_id TEXT,
    graph_id        TEXT,
    status          TEXT,
    op_order        TEXT,
    previous_status TEXT,
    sealed          BLOB    NOT NULL              -- token, data and raw item together
);
CREATE INDEX events_by_operation ON events (op_seq) WHERE op_seq IS NOT NULL;
CREATE INDEX events_unmatched ON events (seq) WHERE is_matched = 0;

-- Hashes to rows: of an operation's id to operations.seq; of a Graph id, or else of the bytes, to events.seq. The one
-- index whose keys are not ordered, so an entry is kept small, and an operation's events share one. The row decides.
CREATE TABLE lookups (
    hash   INTEGER NOT NULL,
    target INTEGER NOT NULL,
    PRIMARY KEY (hash, target)
) WITHOUT ROWID;

-- seq is the event's seq times 4096 plus a number: an event's deliveries are neighbours. It is part of id.
-- state: 0 open, 1 blocked, 2 delivered, 3 dead.
-- at: when it is due (open; leased: when the lease ends), or when it was settled (delivered, dead).
CREATE TABLE deliveries (
    seq         INTEGER PRIMARY KEY,
    id          BLOB    NOT NULL,                 -- UUIDv7: what the receiver sees
    op_seq      INTEGER,
    state       INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    is_leased   INTEGER NOT NULL,
    lease_token INTEGER NOT NULL,
    n_attempts  INTEGER NOT NULL,                 -- since the last replay
    created_at  INTEGER NOT NULL,
    sink        TEXT    NOT NULL,
    route       TEXT    NOT NULL,
    captures    TEXT,
    reason      TEXT
);
CREATE INDEX deliveries_due ON deliveries (sink, at, is_leased) WHERE state = 0;
CREATE INDEX deliveries_unsettled ON deliveries (sink, op_seq) WHERE state < 2;
CREATE INDEX deliveries_blocked ON deliveries (seq) WHERE state = 1;
CREATE INDEX deliveries_dead ON deliveries (sink, seq) WHERE state = 3;

-- Attempts that failed; the one that succeeded is told by its delivery.
CREATE TABLE attempts (
    delivery   INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    took       INTEGER NOT NULL,                  -- microseconds
    reason     TEXT    NOT NULL,
    PRIMARY KEY (delivery, started_at, number)
) WITHOUT ROWID;

-- When an event is looked at next: for its token, then for its retention. Each event has one entry.
CREATE TABLE upkeep (
    look_at INTEGER NOT NULL,
    event   INTEGER NOT NULL,
    PRIMARY KEY (look_at, event)
) WITHOUT ROWID;

-- wish: NULL none, 0 judge again, 1 judge again with the operator's word for its origin.
CREATE TABLE quarantine (
    id          INTEGER PRIMARY KEY AUTOINCREMENT, -- a number is never given twice: the operator may have noted it
    received_at INTEGER NOT NULL,
    channel     TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    n_bytes     INTEGER NOT NULL,
    wish        INTEGER,
    sealed      BLOB    NOT NULL
);
CREATE INDEX quarantine_wished ON quarantine (id) WHERE wish IS NOT NULL;
CREATE TABLE quarantine_size (n_entries INTEGER NOT NULL, n_bytes INTEGER NOT NULL);
INSERT INTO quarantine_size VALUES (0, 0);

-- Something sealed, so that another key is noticed at the start.
CREATE TABLE seal_check (sealed BLOB NOT NULL);

CREATE TABLE heartbeat (beaten_at INTEGER NOT NULL);
INSERT INTO heartbeat VALUES (0);

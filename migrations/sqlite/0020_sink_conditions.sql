-- What the last attempts said about each sink: whether it fails, and the last failure. Written with the outcomes of attempts,
-- when it changes. version grows with each change, because outcomes may be recorded in another order.
CREATE TABLE sink_conditions (
    sink          TEXT PRIMARY KEY,
    version       INTEGER NOT NULL,
    failing_since INTEGER,                          -- NULL: the sink does not fail
    failed_at     INTEGER,                          -- when the last attempt that failed began
    reason        TEXT
) WITHOUT ROWID;

-- Calls that have ended: an operation of theirs that becomes known later is watched as well. seq is the order of arrival:
-- the oldest go first, so that the last seq less the first one is how many there are.
CREATE TABLE ended_calls (
    seq      INTEGER PRIMARY KEY,
    call_id  TEXT    NOT NULL,
    ended_at INTEGER NOT NULL,                    -- when the first notification of its end arrived
    sealed   BLOB                                 -- how it ended and who ended it, where Graph told that
);
CREATE UNIQUE INDEX ended_calls_by_call ON ended_calls (call_id);

-- When it was announced. NULL: nobody announced it, and its state alone is kept.
ALTER TABLE expectations ADD COLUMN announced_at INTEGER;
UPDATE expectations SET announced_at = (SELECT created_at FROM operations WHERE seq = operation)
    WHERE state IN ('waiting', 'met') OR expected_by IS NOT NULL OR metadata IS NOT NULL OR sinks <> '[]';

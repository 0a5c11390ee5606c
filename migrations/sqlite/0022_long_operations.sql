-- The events of an operation that has many, so that the newest of them are found without reading the others. Most operations
-- have few: theirs are found by events_by_bytes, and an index of their own would cost each accepted event some time.

-- How many events came that changed nothing, since this was counted. version counts the others.
ALTER TABLE operations ADD COLUMN n_unchanged INTEGER NOT NULL DEFAULT 0;
-- The operation again, for an event that came when its operation had many: see write/known.rs.
ALTER TABLE events ADD COLUMN long_operation INTEGER;
UPDATE events SET long_operation = op_seq WHERE op_seq IN
    (SELECT op_seq FROM events INDEXED BY events_by_bytes WHERE op_seq IS NOT NULL GROUP BY op_seq HAVING count(*) > 200);
CREATE INDEX events_of_long_operation ON events (long_operation) WHERE long_operation IS NOT NULL;
-- Whether an event changed its operation was not counted before. Those that have many have many from now on.
UPDATE operations SET n_unchanged = 201 WHERE seq IN
    (SELECT long_operation FROM events INDEXED BY events_of_long_operation WHERE long_operation IS NOT NULL);

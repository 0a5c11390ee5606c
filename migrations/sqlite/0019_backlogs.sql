-- How many deliveries wait for each sink, and how many are dead letters, so that nobody has to count. The transactions that
-- change deliveries keep these numbers: see engine/backlogs.rs.
CREATE TABLE backlogs (
    sink   TEXT PRIMARY KEY,
    n_open INTEGER NOT NULL,                        -- open and blocked
    n_dead INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO backlogs (sink, n_open, n_dead)
    SELECT sink, count(*) FILTER (WHERE state < 2), count(*) FILTER (WHERE state = 3)
    FROM deliveries WHERE state <> 2 GROUP BY sink;

-- The oldest delivery that waits for a sink is the first of three kinds: open, blocked, and leased. Those that are open and
-- not leased have an index of their own; a new delivery that goes straight to a memory queue is leased from the beginning, so
-- that the intake does not write it. Those that are leased are together in deliveries_due; no more are leased than fit a
-- sink's memory.
CREATE INDEX deliveries_waiting ON deliveries (sink, seq) WHERE state = 0 AND is_leased = 0;
DROP INDEX deliveries_due;
CREATE INDEX deliveries_due ON deliveries (sink, is_leased, at) WHERE state = 0;
DROP INDEX deliveries_blocked;
CREATE INDEX deliveries_blocked ON deliveries (sink, seq) WHERE state = 1;

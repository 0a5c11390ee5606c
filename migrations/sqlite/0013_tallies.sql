-- How many rows of some kinds there are, so that nobody has to count.

CREATE TABLE tallies (
    name TEXT PRIMARY KEY,                          -- 'unmatched', or the state of expectations
    n    INTEGER NOT NULL
) WITHOUT ROWID;

INSERT INTO tallies (name, n) SELECT 'unmatched', count(*) FROM events WHERE is_matched = 0;

-- Expectations that are not met, or not yet. Triggers keep their numbers, because many statements change them. The number of
-- unmatched events is kept by the code: a trigger would cost each accepted event some time.
INSERT INTO tallies (name, n)
    SELECT states.state, count(expectations.operation)
    FROM (SELECT 'waiting' AS state UNION ALL SELECT 'overdue' UNION ALL SELECT 'lost') AS states
    LEFT JOIN expectations ON expectations.state = states.state GROUP BY states.state;
CREATE TRIGGER tallies_expectation_added AFTER INSERT ON expectations BEGIN
    UPDATE tallies SET n = n + 1 WHERE name = new.state;
END;
CREATE TRIGGER tallies_expectation_changed AFTER UPDATE OF state ON expectations WHEN old.state <> new.state BEGIN
    UPDATE tallies SET n = n - 1 WHERE name = old.state;
    UPDATE tallies SET n = n + 1 WHERE name = new.state;
END;
CREATE TRIGGER tallies_expectation_removed AFTER DELETE ON expectations BEGIN
    UPDATE tallies SET n = n - 1 WHERE name = old.state;
END;

-- The oldest of each. SQLite sees that a state has an entry by an OR, not by an IN.
CREATE INDEX expectations_unmet ON expectations (state, operation)
    WHERE state = 'waiting' OR state = 'overdue' OR state = 'lost';

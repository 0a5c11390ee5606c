-- The state of an operation's expectation beside its creation, so that the operations in a state are found in their order.
-- Triggers copy it, because many statements change it. NULL where nothing was announced and nothing is lost.

ALTER TABLE operations ADD COLUMN expectation TEXT;
UPDATE operations SET expectation = (SELECT state FROM expectations WHERE operation = seq)
    WHERE seq IN (SELECT operation FROM expectations);
CREATE INDEX operations_by_expectation ON operations (expectation, created_at) WHERE expectation IS NOT NULL;

CREATE TRIGGER operations_expectation_added AFTER INSERT ON expectations BEGIN
    UPDATE operations SET expectation = new.state WHERE seq = new.operation;
END;
CREATE TRIGGER operations_expectation_changed AFTER UPDATE OF state ON expectations WHEN old.state <> new.state BEGIN
    UPDATE operations SET expectation = new.state WHERE seq = new.operation;
END;
CREATE TRIGGER operations_expectation_removed AFTER DELETE ON expectations BEGIN
    UPDATE operations SET expectation = NULL WHERE seq = old.operation;
END;

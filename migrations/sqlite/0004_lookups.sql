-- Lookups in two tables. Their keys are in no order, so each new one changes a page of its own once the table is large:
-- new ones are kept in a small table, and moved from there to the large one by ranges of keys, many to a page.

ALTER TABLE lookups RENAME TO lookups_settled;
CREATE TABLE lookups_recent (
    hash   INTEGER NOT NULL,
    target INTEGER NOT NULL,
    PRIMARY KEY (hash, target)
) WITHOUT ROWID;

CREATE VIEW lookups AS
    SELECT hash, target FROM lookups_recent UNION ALL SELECT hash, target FROM lookups_settled;
CREATE TRIGGER lookups_remove INSTEAD OF DELETE ON lookups BEGIN
    DELETE FROM lookups_recent WHERE hash = old.hash AND target = old.target;
    DELETE FROM lookups_settled WHERE hash = old.hash AND target = old.target;
END;

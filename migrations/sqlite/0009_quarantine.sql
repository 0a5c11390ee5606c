-- The quarantine in classes, of which none takes another's place; the first reason beside the last one; the tokens of
-- items that wait for the provider's keys; and whether the last run met damage.

-- class: 0 strangers, 1 known senders, 2 items that wait for keys (bounded where they are read, never removed to make
-- room). post: in waiting_posts, while it waits.
ALTER TABLE quarantine ADD COLUMN class INTEGER NOT NULL DEFAULT 1;
ALTER TABLE quarantine ADD COLUMN first_reason TEXT;      -- NULL: it has had one reason only
ALTER TABLE quarantine ADD COLUMN post INTEGER;
UPDATE quarantine SET class = 0
    WHERE channel <> 'calls' AND reason IN ('client_state', 'json_duplicate', 'json_invalid', 'shape');
CREATE INDEX quarantine_by_class ON quarantine (class, id);
CREATE INDEX quarantine_by_post ON quarantine (post) WHERE post IS NOT NULL;

CREATE TABLE quarantine_sizes (
    class     INTEGER PRIMARY KEY,
    n_entries INTEGER NOT NULL,
    n_bytes   INTEGER NOT NULL
);
INSERT INTO quarantine_sizes (class, n_entries, n_bytes)
    SELECT classes.class, count(quarantine.id), coalesce(sum(quarantine.n_bytes), 0)
    FROM (SELECT 0 AS class UNION ALL SELECT 1 UNION ALL SELECT 2) AS classes
    LEFT JOIN quarantine ON quarantine.class = classes.class GROUP BY classes.class;
DROP TABLE quarantine_size;

-- The validation tokens of a POST whose items wait for keys, sealed; gone with the last of them, and after 24 h.
CREATE TABLE waiting_posts (
    post       INTEGER PRIMARY KEY,                       -- the number of its first entry
    arrived_at INTEGER NOT NULL,
    sealed     BLOB    NOT NULL
);

-- Whether the last server met damage: then the next start checks the database, however that one stopped.
ALTER TABLE last_stop ADD COLUMN was_damaged INTEGER NOT NULL DEFAULT 0;

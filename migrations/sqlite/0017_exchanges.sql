-- What was sent and answered in an attempt, without secrets. The oldest make room: see write/exchanges.rs.

CREATE TABLE exchanges (
    id         INTEGER PRIMARY KEY,               -- in the order of writing
    delivery   INTEGER NOT NULL,                  -- deliveries.seq
    started_at INTEGER NOT NULL,                  -- of the attempt, with number: its key in attempts
    number     INTEGER NOT NULL,
    sealed     BLOB    NOT NULL
);
CREATE INDEX exchanges_by_delivery ON exchanges (delivery);
CREATE TABLE exchanges_size (n_entries INTEGER NOT NULL, n_bytes INTEGER NOT NULL);
INSERT INTO exchanges_size VALUES (0, 0);

-- What became of an attempt's exchange: NULL there was none, 1 kept, 2 one of many that succeeded in a second, 3 the config
-- said to keep none. Of the attempts that failed, and of the one that succeeded.
ALTER TABLE attempts ADD COLUMN exchange INTEGER;
ALTER TABLE deliveries ADD COLUMN exchange INTEGER;

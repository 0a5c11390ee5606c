-- What happened in each minute of the last day, for the console's plots. Each process adds what it counted.

CREATE TABLE history (
    minute  INTEGER NOT NULL,                       -- of steady time, since 1970
    counter TEXT NOT NULL,                          -- the name of a number
    n       INTEGER NOT NULL,
    PRIMARY KEY (minute, counter)
) WITHOUT ROWID;

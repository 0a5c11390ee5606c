-- What operators were told last of something that goes on: a sink is paused, answers are slow, the disk is low. So a restart
-- neither tells it again nor forgets to tell its end.
CREATE TABLE told (
    subject TEXT PRIMARY KEY,                       -- what it is about, as a path
    state   TEXT NOT NULL,                          -- how it was
    told_to TEXT NOT NULL,                          -- the sinks that it was told to: JSON
    told_at INTEGER NOT NULL                        -- when its last beginning was told, in steady time
) WITHOUT ROWID;

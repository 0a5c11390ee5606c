-- Equal bytes are no proof of a repeat: by what else one is known.

-- A hash of the message of the calling platform that the event came in, and of its place there.
ALTER TABLE events ADD COLUMN message INTEGER;
-- Whether the same bytes had come before, and nothing told a repeat from a change.
ALTER TABLE events ADD COLUMN possible_repeat INTEGER NOT NULL DEFAULT 0;

-- An operation's events, by their bytes: whoever looks for some visits no others.
CREATE INDEX events_by_bytes ON events (op_seq, hash) WHERE op_seq IS NOT NULL;
DROP INDEX events_by_operation;

-- Events whose POST was not answered 2xx in time: Graph has reason to repeat them. The repeat removes its event.
CREATE TABLE unanswered (event INTEGER PRIMARY KEY);

-- Whether the last server stopped in order: if not, it is not known which of the last answers arrived.
CREATE TABLE last_stop (was_clean INTEGER NOT NULL);
INSERT INTO last_stop (was_clean) VALUES (1);

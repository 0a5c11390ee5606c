-- What comes out of the quarantine keeps when it was received; when it was accepted stands beside it.

-- NULL: it was accepted when it was received. Those that were not are found by an index of their own, because events are
-- otherwise found by time in the order of their numbers.
ALTER TABLE events ADD COLUMN accepted_at INTEGER;
CREATE INDEX events_late ON events (seq) WHERE accepted_at IS NOT NULL;

-- When the end of the call became known, if that was later than it was received: it is remembered from then on.
ALTER TABLE ended_calls ADD COLUMN learned_at INTEGER;

-- The facts of the request that brought an entry, sealed, and their bytes within n_bytes.
ALTER TABLE quarantine ADD COLUMN sealed_request BLOB;
ALTER TABLE quarantine ADD COLUMN request_bytes INTEGER NOT NULL DEFAULT 0;

-- What proved the word that stands for an operation, by its rank: 1 an operator's word, 2 clientState, 3 a validation
-- token, 4 a bearer token; 0 nothing, since its client alone has named it. Where it was not noted, and the event is gone, it
-- counts as a bearer token's: the calling channel alone carries record operations.
ALTER TABLE operations ADD COLUMN proof INTEGER NOT NULL DEFAULT 0;
UPDATE operations SET proof = coalesce(
    (SELECT CASE e.channel WHEN 'calls' THEN 4 ELSE 2 END FROM events e WHERE e.seq = state_event),
    CASE WHEN state_event IS NULL THEN 0 ELSE 4 END
);

-- Subscriptions that have sent encrypted content: their plain items need a validation token as well. seq is the order in
-- which they were learned.
CREATE TABLE rich_subscriptions (
    seq INTEGER PRIMARY KEY,
    id  TEXT NOT NULL UNIQUE
);

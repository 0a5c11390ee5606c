-- The attempt that succeeded: when it began, and how long it took in microseconds. The others are in attempts.
ALTER TABLE deliveries ADD COLUMN started_at INTEGER;
ALTER TABLE deliveries ADD COLUMN took INTEGER;

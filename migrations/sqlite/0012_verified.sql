-- When a quarantine entry was last verified again; NULL: it was verified only once, on arrival.
ALTER TABLE quarantine ADD COLUMN verified_at INTEGER;

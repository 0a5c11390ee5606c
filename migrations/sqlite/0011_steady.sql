-- Timers go by steady time, which the machine's clock cannot set back or forward: deliveries.at of what is open or
-- blocked, watches.at, upkeep.look_at. Instants that people are shown are the machine's.
CREATE TABLE steady (
    at   INTEGER NOT NULL,                         -- steady time, when it was last written down
    lead INTEGER NOT NULL                          -- how far the machine's clock was ahead of it then
);

-- When a delivery was settled, in steady time: retention counts from it. deliveries.at is the same in the machine's time.
ALTER TABLE deliveries ADD COLUMN settled_at INTEGER;

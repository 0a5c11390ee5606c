-- Whose word an event is: 0 Graph's, 1 reelhook's own. It is no matter of the event's type, whose words come from outside.
-- Until now reelhook's own were the events of operations that have no order.
ALTER TABLE events ADD COLUMN origin INTEGER NOT NULL DEFAULT 0;
UPDATE events SET origin = 1 WHERE op_seq IS NOT NULL AND op_order IS NULL;

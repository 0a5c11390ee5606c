-- The tenant that the sender proved, where it proved one: its token is not kept, and a call's item does not name it.
ALTER TABLE quarantine ADD COLUMN tenant_id TEXT;

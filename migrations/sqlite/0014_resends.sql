-- The id of the delivery whose event a delivery sends again; NULL: it is the first of its event to its sink.
ALTER TABLE deliveries ADD COLUMN resend_of BLOB;

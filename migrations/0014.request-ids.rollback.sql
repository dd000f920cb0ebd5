ALTER TABLE ops.events DROP COLUMN request_id;

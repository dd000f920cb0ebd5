DROP INDEX orders.conflicts_by_time;
ALTER TABLE ops.webhook_endpoints DROP COLUMN due_until;

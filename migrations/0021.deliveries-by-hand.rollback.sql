DROP INDEX ops.deliveries_given_up;
ALTER TABLE ops.webhook_deliveries
    DROP COLUMN resent_at,
    DROP COLUMN decided_reason,
    DROP COLUMN decided_by;

DROP INDEX ops.deliveries_given_up;
DROP INDEX ops.deliveries_dead;
ALTER TABLE ops.webhook_deliveries
    DROP COLUMN resent_at,
    DROP COLUMN decided_reason,
    DROP COLUMN decided_by;

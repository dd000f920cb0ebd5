ALTER TABLE ops.webhook_deliveries ADD COLUMN hinted_at timestamptz;
CREATE INDEX deliveries_hinted ON ops.webhook_deliveries (hinted_at)
    WHERE state = 'pending' AND hinted_at IS NOT NULL;
CREATE INDEX deliveries_nobody_was_told_of ON ops.webhook_deliveries (endpoint_id, due_at)
    WHERE state = 'pending' AND hinted_at IS NULL;
UPDATE ops.webhook_deliveries SET due_at = now() WHERE due_at = 'infinity';

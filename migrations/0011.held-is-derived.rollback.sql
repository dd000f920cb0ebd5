CREATE INDEX deliveries_due ON ops.webhook_deliveries (due_at) WHERE state = 'pending';
DROP INDEX ops.deliveries_owed;
DROP TRIGGER never_held ON ops.webhook_deliveries;
DROP FUNCTION ops.never_held;
-- The version before releases what is marked as held, and nothing else.
UPDATE ops.webhook_deliveries AS delivery
   SET state = 'held'
  FROM ops.webhook_endpoints AS endpoint
 WHERE endpoint.id = delivery.endpoint_id
   AND endpoint.disabled_at IS NOT NULL
   AND delivery.state = 'pending';

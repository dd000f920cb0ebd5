DROP FUNCTION ops.count_grown(bigint);
ALTER TABLE orders.order_processing RESET (fillfactor);
ALTER TABLE ops.webhook_attempts RESET (fillfactor);
ALTER TABLE ops.outbox SET (fillfactor = 70);
ALTER TABLE ops.consumptions SET (fillfactor = 80);

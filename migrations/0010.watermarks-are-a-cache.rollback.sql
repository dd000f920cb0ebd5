DROP TRIGGER restored ON ops.watermarks;
DROP FUNCTION ops.restore_watermark;
-- The version before cannot restore a watermark: those that went come back first.
INSERT INTO ops.watermarks (order_id, sequence)
SELECT id, ops.watermark_of(id)
  FROM orders.orders
 WHERE NOT EXISTS (SELECT FROM ops.watermarks WHERE order_id = orders.id);
DROP FUNCTION ops.forget_watermarks;
DROP FUNCTION ops.watermark_of;
ALTER TABLE ops.watermarks DROP COLUMN day;
DROP VIEW ops.kept_days;

DROP TABLE ops.dead_letters;
DROP FUNCTION ops.may_go;
DROP FUNCTION ops.gave_order_up;
DROP FUNCTION ops.is_head;
DROP TABLE ops.webhook_attempts;
DROP TABLE ops.webhook_deliveries;
DROP TABLE ops.webhook_endpoints;

-- What was there before the second axis is held to its rules and takes its place on it, waiting for
-- nobody but those rows; then lists of what left, what is to leave and what is held have an index
-- each, of which an order that is accepted makes no entry.
-- depends: 0030.held-and-shipped

ALTER TABLE orders.orders
    VALIDATE CONSTRAINT orders_fulfillment_status_check,
    VALIDATE CONSTRAINT orders_hold_reason_check,
    VALIDATE CONSTRAINT orders_cancel_cause_check,
    VALIDATE CONSTRAINT orders_metadata_check;
ALTER TABLE orders.order_items VALIDATE CONSTRAINT order_items_shipped_check;

UPDATE orders.orders
   SET fulfillment_status = 'cancelled'
 WHERE status = 'cancelled' AND fulfillment_status = 'pending';

CREATE INDEX orders_by_fulfillment
    ON orders.orders (fulfillment_status, source, status, created_at, id)
 WHERE fulfillment_status <> 'pending';
CREATE INDEX orders_to_ship ON orders.orders (source, created_at, id)
 WHERE status = 'completed' AND fulfillment_status = 'pending';
CREATE INDEX orders_on_hold ON orders.orders (created_at, id) WHERE on_hold;

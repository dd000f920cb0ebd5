DROP INDEX orders.orders_cart_uuid_key;
DROP INDEX orders.one_order_per_idempotency_key;
ALTER TABLE orders.orders
    DROP CONSTRAINT one_order_per_reference,
    ADD CONSTRAINT one_order_per_reference UNIQUE (source, external_ref),
    ADD CONSTRAINT one_order_per_idempotency_key UNIQUE (source, idempotency_key),
    ADD CONSTRAINT orders_cart_uuid_key UNIQUE (cart_uuid);
CREATE INDEX orders_by_reference ON orders.orders (external_ref);

-- An accepted order makes an entry only in indexes that somebody finds it by: none for a key or a
-- cart that it has not, and one for its reference, whichever source it came from.
-- depends: 0016.consumptions-in-batches

ALTER TABLE orders.orders
    DROP CONSTRAINT one_order_per_reference,
    DROP CONSTRAINT one_order_per_idempotency_key,
    DROP CONSTRAINT orders_cart_uuid_key,
    ADD CONSTRAINT one_order_per_reference UNIQUE (external_ref, source);
CREATE UNIQUE INDEX one_order_per_idempotency_key ON orders.orders (source, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE UNIQUE INDEX orders_cart_uuid_key ON orders.orders (cart_uuid) WHERE cart_uuid IS NOT NULL;
DROP INDEX orders.orders_by_reference;

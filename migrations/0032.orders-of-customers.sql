-- Whose an order or a cart is, by the uuid of the customer: a weak reference, as all between schemas
-- are. Orders of the shop's catalogue are a source of their own, and their items name the product by
-- its uuid; what is removed there stays here, and is shown there no more. No row is rewritten, and
-- code that knows nothing of it goes on.
-- depends: 0031.fulfillment-listed

ALTER TABLE orders.orders
    ADD COLUMN customer_id uuid,
    ADD COLUMN removed_at timestamptz,
    DROP CONSTRAINT orders_source_check,
    -- What is there was held to a narrower one.
    ADD CONSTRAINT orders_source_check
        CHECK (source IN ('webhook', 'api', 'cart', 'catalog')) NOT VALID;
ALTER TABLE orders.order_items ADD COLUMN product_uuid uuid;
ALTER TABLE orders.carts ADD COLUMN customer_id uuid;

-- An order that is nobody's makes no entry.
CREATE INDEX orders_by_customer ON orders.orders (customer_id, created_at, id)
 WHERE customer_id IS NOT NULL;
CREATE INDEX carts_by_customer ON orders.carts (customer_id, id) WHERE customer_id IS NOT NULL;

DROP INDEX orders.carts_by_customer;
DROP INDEX orders.orders_by_customer;
-- The version before knows no such source. Its reference is its own uuid: only who chose that for
-- another order of theirs is in the way.
UPDATE orders.orders AS placed
   SET source = 'api',
       external_ref = external_ref || CASE WHEN EXISTS (SELECT FROM orders.orders AS other
                                                         WHERE other.external_ref = placed.external_ref
                                                           AND other.source = 'api')
                                           THEN ' of the catalogue' ELSE '' END
 WHERE source = 'catalog';
ALTER TABLE orders.orders
    DROP CONSTRAINT orders_source_check,
    ADD CONSTRAINT orders_source_check CHECK (source IN ('webhook', 'api', 'cart')),
    DROP COLUMN removed_at,
    DROP COLUMN customer_id;
ALTER TABLE orders.order_items DROP COLUMN product_uuid;
ALTER TABLE orders.carts DROP COLUMN customer_id;

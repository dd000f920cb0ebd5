-- Lists of orders: every filter is answered in the order of the list, newest first, from an index.
-- depends: 0007.order-life

-- Without a source or a status its few combinations are read side by side (storage/orders.py), so
-- one index does for all lists.
CREATE INDEX orders_listed ON orders.orders (source, status, created_at, id);
DROP INDEX orders.orders_that_went_wrong;

CREATE INDEX orders_of_customer_listed ON orders.orders (customer_email, created_at, id)
    WHERE customer_email <> '';
DROP INDEX orders.orders_of_customer;
CREATE INDEX orders_of_customer_ref_listed ON orders.orders (customer_ref, created_at, id)
    WHERE customer_ref IS NOT NULL;
DROP INDEX orders.orders_of_customer_ref;

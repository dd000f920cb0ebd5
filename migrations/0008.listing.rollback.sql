CREATE INDEX orders_of_customer ON orders.orders (customer_email, id) WHERE customer_email <> '';
CREATE INDEX orders_of_customer_ref ON orders.orders (customer_ref, id)
    WHERE customer_ref IS NOT NULL;
CREATE INDEX orders_that_went_wrong ON orders.orders (status, id)
    WHERE status IN ('failed', 'cancelled');
DROP INDEX orders.orders_listed;
DROP INDEX orders.orders_of_customer_listed;
DROP INDEX orders.orders_of_customer_ref_listed;

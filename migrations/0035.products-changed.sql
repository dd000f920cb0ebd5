-- Which products were changed lately is found by an index.
-- depends: 0032.orders-of-customers

CREATE INDEX products_by_change ON products.products (updated_at);

-- Who acted, where what follows happens later: a cart's order, another try at an order.
-- depends: 0012.hostile-messages

ALTER TABLE orders.carts ADD COLUMN closed_by text;
ALTER TABLE orders.order_processing ADD COLUMN asked_by text;

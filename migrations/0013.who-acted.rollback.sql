ALTER TABLE orders.order_processing DROP COLUMN asked_by;
ALTER TABLE orders.carts DROP COLUMN closed_by;

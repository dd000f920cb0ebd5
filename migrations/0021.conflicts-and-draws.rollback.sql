ALTER TABLE orders.order_processing DROP COLUMN drawn;
DROP TABLE orders.conflicts;

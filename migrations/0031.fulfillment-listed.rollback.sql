DROP INDEX orders.orders_on_hold;
DROP INDEX orders.orders_to_ship;
DROP INDEX orders.orders_by_fulfillment;

-- What carts hold goes back, each to its product; locked in the order in which everybody does. No
-- more goes back than the counter has.
WITH locked AS MATERIALIZED (
    SELECT *
      FROM products.stock
     WHERE product_id IN (SELECT product_id FROM products.reservations WHERE is_held)
     ORDER BY product_id
       FOR NO KEY UPDATE
), back AS MATERIALIZED (
    SELECT product_id, cart_uuid,
           least(quantity, reserved - sum(quantity) OVER (PARTITION BY product_id ORDER BY cart_uuid)
                           + quantity)::integer AS units
      FROM products.reservations
      JOIN locked USING (product_id)
     WHERE is_held
), moved AS (
    UPDATE products.stock
       SET reserved = locked.reserved - total, on_hand = locked.on_hand,
           allocated = locked.allocated, backorder_limit = locked.backorder_limit,
           version = locked.version + 1
      FROM (SELECT product_id, sum(units) AS total FROM back WHERE units > 0 GROUP BY product_id)
           AS sums
      JOIN locked USING (product_id)
     WHERE stock.product_id = sums.product_id
)
INSERT INTO products.stock_movements
       (product_id, kind, on_hand, reserved, allocated, shipped, cart_uuid, actor, reason)
SELECT product_id, 'released', 0, -units, 0, 0, cart_uuid, 'rollback', 'reservations were undone'
  FROM back
 WHERE units > 0;

DROP TABLE products.reservations;

WITH placed AS (
    INSERT INTO peers.orders (reference, customer_name, customer_email, shipping_address, total)
    VALUES ($1::text, $2::text, $3::text, $4::text, $5::numeric)
    RETURNING id
), items AS (
    INSERT INTO peers.items (order_id, sku, name, quantity, unit_price)
    SELECT placed.id, item.*
      FROM placed, unnest($6::text[], $7::text[], $8::int[], $9::numeric[]) AS item
)
INSERT INTO peers.events (order_id, type, content)
SELECT id, 'order.created', $10::jsonb FROM placed

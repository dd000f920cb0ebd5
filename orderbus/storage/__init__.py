"""What is kept: all SQL and all of asyncpg. Functions take a connection and return plain values.

Who waits for a row while it holds others takes them in this order, so nobody waits in a circle:

1. the endpoint
2. the order, or the cart
3. what a cart holds of the stock, then the stock, both by product
4. the dead letter a person decides about
5. the order's watermark
6. the pointers of the outbox, by their event's id
7. one delivery, or one consumption

Who holds a delivery or a consumption waits for nothing. Whatever else is touched in passing
(watermarks of a batch, whatever is due or comes next) is taken ``FOR UPDATE SKIP
LOCKED``, in a fixed order: it is looked at again. PostgreSQL ends a transaction whose
process says nothing for long: see ``database.SESSION``. ``tests/integration/test_lock_order.py``
finds the statements and holds them to this.
"""

from orderbus.storage import (
    allocating,
    allocating_later,
    api_keys,
    audit,
    carts,
    categories,
    conflicts,
    consumptions,
    database,
    dead_letters,
    deliveries,
    delivery_acts,
    delivery_lists,
    delivery_views,
    diagnostics,
    endpoint_changes,
    endpoint_lists,
    endpoints,
    erasing,
    events,
    idempotency,
    inbox,
    job_lines,
    jobs,
    journey,
    letter_lists,
    letter_views,
    lost_events,
    maintenance,
    metrics,
    order_lists,
    order_moves,
    orders,
    outbox,
    owed,
    password_resets,
    processing,
    product_changes,
    product_lists,
    products,
    replay,
    replica,
    reservations,
    restores,
    retention,
    schema,
    sequencing,
    sessions,
    shop_changes,
    shop_orders,
    stock,
    stock_bookings,
    stock_views,
    throttles,
    tokens,
    users,
)

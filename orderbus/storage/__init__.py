"""What is kept: all SQL and all of asyncpg. Functions take a connection and return plain values.

Who waits for a row while it holds others takes them in this order, so nobody waits in a circle:

1. the dead letter a person decides about
2. the endpoint
3. the order, then its watermark
4. the pointers of the outbox, by their event's id
5. one delivery

Who holds a delivery waits for nothing. Whatever else is touched in passing (watermarks of a batch,
deliveries to be told of, whatever is due) is taken ``FOR UPDATE SKIP LOCKED``, in a fixed order: it
is looked at again. PostgreSQL ends a transaction whose process says nothing for long: see
``database.SESSION``. ``tests/integration/test_lock_order.py`` finds the statements and holds them
to this.
"""

from orderbus.storage import (
    api_keys,
    carts,
    consumptions,
    database,
    dead_letters,
    deliveries,
    endpoints,
    examination,
    idempotency,
    inbox,
    journey,
    lost,
    metrics,
    orders,
    outbox,
    owed,
    partitions,
    past,
    processing,
    retention,
    schema,
    watch,
)

__all__ = [
    "api_keys",
    "carts",
    "consumptions",
    "database",
    "dead_letters",
    "deliveries",
    "endpoints",
    "examination",
    "idempotency",
    "inbox",
    "journey",
    "lost",
    "metrics",
    "orders",
    "outbox",
    "owed",
    "partitions",
    "past",
    "processing",
    "retention",
    "schema",
    "watch",
]

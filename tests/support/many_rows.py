"""So many rows that a plan that reads them all is found out."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from orderbus.storage.database import Connection


async def orders(connection: Connection, began: datetime, count: int) -> None:
    """Add orders, one a minute; of customers, sources and states, some have many, some few."""
    await connection.execute(
        """
        INSERT INTO orders.orders (source, external_ref, content_hash, customer_name,
               customer_email, shipping_address, total, event_seq, customer_ref, status, created_at)
        SELECT (ARRAY['webhook', 'webhook', 'api'])[1 + n % 3], 'SO-' || n, sha256('x'), 'Jane',
               CASE WHEN n % 3 = 2 THEN '' ELSE 'c' || n % 40 || '@shop.example' END,
               'Road 1', 1, 1,
               CASE WHEN n % 3 = 2 THEN 'c' || n % 40 || '@shop.example' END,
               -- What is rare is old: whoever reads from the newest on reads all.
               CASE WHEN n <= 20 THEN 'failed' WHEN n <= 40 THEN 'cancelled'
                    WHEN n > 19900 THEN 'created' ELSE 'completed' END,
               $1::timestamptz + n * interval '1 minute'
          FROM generate_series(1, $2::integer) AS n
        """,
        began,
        count,
    )
    await connection.execute("ANALYZE orders.orders")


async def events_that_came_back(connection: Connection, count: int) -> None:
    """Add five days of events; those of the first day's first hour are rare."""
    await connection.execute(
        """
        WITH event AS (
            INSERT INTO ops.events (order_id, order_public_id, order_created_at, sequence, type,
                   content, occurred_at)
            SELECT n, gen_random_uuid(), now(), 1,
                   CASE WHEN n % 4000 = 1 THEN 'order.rare' ELSE 'order.created' END, '{}',
                   date_trunc('day', now(), 'UTC') + n * interval '5 days' / $1
              FROM generate_series(1, $1::integer) AS n
            RETURNING *
        )
        INSERT INTO ops.inbox (event_id, occurred_at, order_id, sequence, message_id, published_at)
        SELECT event_id, occurred_at, order_id, sequence, 'm-' || order_id, occurred_at FROM event
        """,
        count,
    )
    for statement in ("ANALYZE ops.events", "ANALYZE ops.inbox"):
        await connection.execute(statement)


async def pointers_to_every_event(connection: Connection) -> None:
    """Let half of the events wait to be published, and half to come back; some came lately."""
    await connection.execute(
        """
        UPDATE ops.inbox SET received_at = now() - (20000 - order_id) * interval '1 s';
        INSERT INTO ops.outbox (event_id, occurred_at, due_at, publishes, published_at, message_id)
        SELECT event_id, occurred_at, CASE WHEN order_id % 2 = 0 THEN now() ELSE 'infinity' END,
               order_id % 2,
               CASE WHEN order_id % 2 = 1 THEN now() - order_id * interval '1 s' END,
               CASE WHEN order_id % 2 = 1 THEN 'm-1' END
          FROM ops.events;
        ANALYZE ops.inbox; ANALYZE ops.outbox
        """
    )


async def deliveries_that_wait(
    connection: Connection, endpoint: UUID, *, orders: int, each: int, analyse: bool = True
) -> None:
    """Let the first delivery of each of so many orders have failed, and the others wait for it."""
    if not analyse:
        await connection.execute("ALTER TABLE ops.webhook_deliveries SET (autovacuum_enabled=off)")
    await connection.execute(
        """
        INSERT INTO ops.webhook_deliveries
               (endpoint_id, event_id, occurred_at, order_id, sequence, due_at)
        SELECT $1, gen_random_uuid(), now(), 1000000 + n, sequence,
               CASE sequence WHEN 1 THEN now() + interval '1 hour' ELSE 'infinity' END
          FROM generate_series(1, $2::integer) AS n, generate_series(1, $3::integer) AS sequence
        """,
        endpoint,
        orders,
        each,
    )
    if analyse:
        await connection.execute("ANALYZE ops.webhook_deliveries")

"""Events of many orders that came back long ago, and what became of them at endpoints."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from orderbus.storage.database import Connection
from tests.support.waiting import PATIENCE


async def add(
    connection: Connection,
    *,
    orders: int,
    each: int,
    dead_to: Sequence[UUID] = (),
    delivered_to: Sequence[UUID] = (),
) -> None:
    """Add orders of so many events each: dead with an open letter to some, delivered to others.

    They were settled in the order of each order's story.
    """
    await connection.execute(_EVENTS, orders, each, timeout=5 * PATIENCE)
    for state, endpoints in (("dead", dead_to), ("delivered", delivered_to)):
        await connection.execute(_DELIVERIES, state, endpoints, timeout=5 * PATIENCE)
    await connection.execute(_LETTERS, dead_to, timeout=5 * PATIENCE)
    await connection.execute("ANALYZE ops.events, ops.webhook_deliveries, ops.dead_letters")


_EVENTS = """
    WITH event AS (
        INSERT INTO ops.events (order_id, order_public_id, order_created_at, sequence, type,
               content)
        SELECT 1000000 + n, public_id, now(), sequence, 'order.noted',
               jsonb_build_object('order_id', 'SO-' || n, 'customer', '{"name": "Jane"}'::jsonb,
                                  'total', '1.00')
          FROM (SELECT n, gen_random_uuid() AS public_id
                  FROM generate_series(1, $1::integer) AS n OFFSET 0) AS told,
               generate_series(1, $2::integer) AS sequence
        RETURNING *
    ), inbox AS (
        INSERT INTO ops.inbox (event_id, occurred_at, order_id, sequence, message_id, published_at)
        SELECT event_id, occurred_at, order_id, sequence, 'm', occurred_at FROM event
    )
    INSERT INTO ops.watermarks (order_id, sequence, day)
    SELECT DISTINCT order_id, $2::integer, current_date FROM event
"""
_DELIVERIES = """
    INSERT INTO ops.webhook_deliveries (endpoint_id, event_id, occurred_at, order_id, sequence,
           state, attempts, settled_at)
    SELECT endpoint, event_id, occurred_at, order_id, sequence, $1::text, 1,
           now() - interval '1 hour'
           + row_number() OVER (ORDER BY order_id, sequence) * interval '1 ms'
      FROM ops.events, unnest($2::uuid[]) AS endpoint
"""
_LETTERS = """
    INSERT INTO ops.dead_letters (kind, delivery_id, event_id, occurred_at, reason, error)
    SELECT 'delivery', id, event_id, occurred_at, 'retries_exhausted', 'The last answer was 500'
      FROM ops.webhook_deliveries
     WHERE state = 'dead' AND endpoint_id = ANY ($1::uuid[])
     ORDER BY settled_at, id
"""

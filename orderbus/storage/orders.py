"""How are orders kept, and how do their events get their numbers?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from orderbus.domain.orders import PlaceOrder
from orderbus.errors import NotFound
from orderbus.storage.database import Connection


@dataclass(frozen=True, slots=True)
class Kept:
    """What a door needs to know of an order that is stored."""

    public_id: UUID
    external_ref: str
    created_at: datetime
    content_hash: bytes
    idempotency_key: str | None


async def add(
    connection: Connection,
    order: PlaceOrder,
    *,
    source: str,
    type: str,  # noqa: A002 - the event's type
    content: Mapping[str, Any],
    details: Mapping[str, Any],
    traceparent: str | None,
) -> Kept | None:
    """Store an order with its items, history, first event and outbox pointer, all or nothing.

    One statement, one round trip. Returns None where an order with this reference or this
    idempotency key is there already; ``find_taken`` then tells which.
    """
    content_hash = order.content_hash()
    row = await connection.fetchrow(
        """
        WITH placed AS (
            INSERT INTO orders.orders (source, external_ref, idempotency_key, content_hash,
                   customer_name, customer_email, shipping_address, total, event_seq)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1)
            ON CONFLICT DO NOTHING
            RETURNING id, public_id, created_at
        ), items AS (
            INSERT INTO orders.order_items (order_id, line, sku, name, quantity, unit_price)
            SELECT placed.id, item.line, item.sku, item.name, item.quantity, item.unit_price
              FROM placed,
                   unnest($9::text[], $10::text[], $11::int[], $12::numeric[])
                   WITH ORDINALITY AS item (sku, name, quantity, unit_price, line)
        ), event AS (
            INSERT INTO ops.events (order_id, order_public_id, order_created_at, sequence, type,
                   content, traceparent, occurred_at)
            SELECT id, public_id, created_at, 1, $13, $14, $15, created_at FROM placed
            RETURNING event_id, order_id, sequence, occurred_at
        ), history AS (
            INSERT INTO orders.order_history
                   (order_id, sequence, event_id, type, actor, at, details)
            SELECT order_id, sequence, event_id, $13, $1, occurred_at, $16 FROM event
        ), pointer AS (
            INSERT INTO ops.outbox (event_id, occurred_at)
            SELECT event_id, occurred_at FROM event
        )
        SELECT public_id, created_at FROM placed
        """,
        source,
        order.order_id,
        order.idempotency_key,
        content_hash,
        order.customer.name,
        order.customer.email,
        order.shipping_address,
        order.total,
        [item.sku for item in order.items],
        [item.name for item in order.items],
        [item.quantity for item in order.items],
        [item.unit_price for item in order.items],
        type,
        content,
        traceparent,
        details,
    )
    if row is None:
        return None
    return Kept(
        row["public_id"],
        order.order_id,
        row["created_at"],
        content_hash,
        order.idempotency_key,
    )


async def find_taken(
    connection: Connection, *, source: str, external_ref: str, idempotency_key: str | None
) -> list[Kept]:
    """List the orders that hold this reference or this idempotency key; two at most."""
    rows = await connection.fetch(
        """
        SELECT public_id, external_ref, created_at, content_hash, idempotency_key
          FROM orders.orders
         WHERE source = $1
           AND (external_ref = $2 OR idempotency_key = $3)
        """,
        source,
        external_ref,
        idempotency_key,
    )
    return [Kept(**row) for row in rows]


async def append_event(
    connection: Connection,
    public_id: UUID,
    *,
    type: str,  # noqa: A002 - the event's type
    actor: str,
    content: Mapping[str, Any],
    traceparent: str | None,
) -> int:
    """Give an order its next event, with history and outbox pointer; returns its sequence number.

    The order's row stays locked until the transaction ends, so an order's numbers have no gap and
    follow the order of commits. Raises ``NotFound``.
    """
    sequence: int | None = await connection.fetchval(
        """
        WITH moved AS (
            UPDATE orders.orders
               SET event_seq = event_seq + 1
             WHERE public_id = $1
            RETURNING id, public_id, created_at, event_seq
        ), event AS (
            INSERT INTO ops.events (order_id, order_public_id, order_created_at, sequence, type,
                   content, traceparent, occurred_at)
            SELECT id, public_id, created_at, event_seq, $2, $4, $5, clock_timestamp() FROM moved
            RETURNING event_id, order_id, sequence, occurred_at
        ), history AS (
            INSERT INTO orders.order_history (order_id, sequence, event_id, type, actor, at)
            SELECT order_id, sequence, event_id, $2, $3, occurred_at FROM event
        ), pointer AS (
            INSERT INTO ops.outbox (event_id, occurred_at)
            SELECT event_id, occurred_at FROM event
        )
        SELECT sequence FROM event
        """,
        public_id,
        type,
        actor,
        content,
        traceparent,
    )
    if sequence is None:
        raise NotFound(f"No order {public_id}")
    return sequence


async def get(connection: Connection, id_or_ref: str) -> dict[str, Any]:
    """Show an order with its items, found by our uuid or by the sender's reference.

    A reference that several sources use finds the newest. Raises ``NotFound``.
    """
    row = await connection.fetchrow(
        """
        SELECT o.public_id AS id, o.external_ref AS order_id, o.source, o.customer_name,
               o.customer_email, o.shipping_address, o.total, o.created_at, o.event_seq,
               (SELECT jsonb_agg(jsonb_build_object('sku', i.sku, 'name', i.name,
                           'quantity', i.quantity, 'unit_price', i.unit_price::text)
                           ORDER BY i.line)
                  FROM orders.order_items i
                 WHERE i.order_id = o.id) AS items
          FROM orders.orders o
         WHERE o.public_id = $1 OR o.external_ref = $2
         ORDER BY o.public_id = $1 DESC NULLS LAST, o.id DESC
         LIMIT 1
        """,
        _as_uuid(id_or_ref),
        id_or_ref,
    )
    if row is None:
        raise NotFound(f"No order {id_or_ref}")
    return dict(row)


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None

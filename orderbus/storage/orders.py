"""How are orders kept, and how do their events get their numbers?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from orderbus.domain.events import Event
from orderbus.domain.orders import PlaceOrder
from orderbus.domain.text import brief
from orderbus.errors import NotFound
from orderbus.storage import events
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
    type: str,  # noqa: A002 - the event's type
    content: Mapping[str, Any],
    details: Mapping[str, Any],
    traceparent: str | None,
    public_id: UUID | None = None,
    actor: str | None = None,
) -> Kept | None:
    """Store an order with its items, history, first event and outbox pointer, all or nothing.

    ``actor`` is who placed it: whoever closed its cart, or else its source, where it is not given.
    One statement, one round trip. Returns None where an order with this reference or this
    idempotency key, or of this cart, is there already; ``find_taken`` then tells which.
    """
    content_hash = order.content_hash()
    row = await connection.fetchrow(
        """
        WITH placed AS (
            INSERT INTO orders.orders (source, external_ref, idempotency_key, content_hash,
                   customer_name, customer_email, shipping_address, total, event_seq,
                   customer_ref, cart_uuid, public_id)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $17, $18,
                    coalesce($19, gen_random_uuid()))
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
            SELECT order_id, sequence, event_id, $13,
                   coalesce($20, (SELECT closed_by FROM orders.carts WHERE uuid = $18), $1),
                   occurred_at, $16
              FROM event
        ), pointer AS (
            INSERT INTO ops.outbox (event_id, occurred_at)
            SELECT event_id, occurred_at FROM event
        )
        SELECT public_id, created_at FROM placed
        """,
        order.source,
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
        order.customer.ref,
        order.cart_uuid,
        public_id,
        actor,
    )
    if row is None:
        return None
    events.wake_dispatcher(connection)
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


@dataclass(frozen=True, slots=True)
class Move:
    """Where an order goes, and why if somebody said so."""

    status: str
    reason: str | None


async def append_events(
    connection: Connection,
    order_id: int,
    *,
    types: Sequence[str],
    actor: str,
    content: Mapping[str, Any],
    details: Mapping[str, Any],
    traceparent: str | None,
    move: Move | None = None,
) -> int:
    """Give an order its next events, with history and outbox pointers; returns the last sequence.

    ``move`` is where they bring the order; the database refuses a move that is none. The order's
    row stays locked until the transaction ends, so an order's numbers have no gap and follow the
    order of commits.
    """
    sequence: int = await connection.fetchval(
        """
        WITH moved AS (
            UPDATE orders.orders
               SET event_seq = event_seq + cardinality($2::text[]),
                   status = coalesce($7, status),
                   status_reason = CASE WHEN $7 IS NULL THEN status_reason ELSE $8 END
             WHERE id = $1
            RETURNING id, public_id, created_at, event_seq
        ), event AS (
            INSERT INTO ops.events (order_id, order_public_id, order_created_at, sequence, type,
                   content, traceparent, occurred_at)
            SELECT id, public_id, created_at, event_seq - cardinality($2::text[]) + number, type,
                   $4, $5, clock_timestamp()
              FROM moved, unnest($2::text[]) WITH ORDINALITY AS added (type, number)
            RETURNING event_id, order_id, sequence, type, occurred_at
        ), history AS (
            INSERT INTO orders.order_history
                   (order_id, sequence, event_id, type, actor, at, details)
            SELECT order_id, sequence, event_id, type, $3, occurred_at, $6 FROM event
        ), pointer AS (
            INSERT INTO ops.outbox (event_id, occurred_at)
            SELECT event_id, occurred_at FROM event ORDER BY sequence
        )
        SELECT event_seq FROM moved
        """,
        order_id,
        types,
        actor,
        content,
        traceparent,
        details,
        None if move is None else move.status,
        None if move is None else move.reason,
    )
    events.wake_dispatcher(connection)
    return sequence


_COLUMNS: Final = """
    o.id AS number, o.public_id AS id, o.external_ref AS order_id, o.source, o.customer_name,
    o.customer_email, o.customer_ref, o.shipping_address, o.total, o.created_at, o.event_seq,
    o.cart_uuid, o.status, o.status_reason,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('sku', i.sku, 'name', i.name,
                'quantity', i.quantity, 'unit_price', i.unit_price::text)
                ORDER BY i.line), '[]')
       FROM orders.order_items i
      WHERE i.order_id = o.id) AS items
"""


async def get(connection: Connection, id_or_ref: str) -> dict[str, Any]:
    """Show an order with its items, found by our uuid or by the sender's reference.

    Of several orders under one reference it finds the one that was signed, then that of a cart:
    whoever holds a key may choose any reference. Each is found by its uuid. Raises ``NotFound``.
    """
    row = await connection.fetchrow(
        f"""
        SELECT {_COLUMNS}
          FROM orders.orders o
         WHERE o.public_id = $1 OR o.external_ref = $2
         ORDER BY o.public_id = $1 DESC NULLS LAST,
                  array_position(ARRAY['webhook', 'cart', 'api'], o.source), o.id DESC
         LIMIT 1
        """,  # noqa: S608 - the columns are a constant of ours
        _as_uuid(id_or_ref),
        id_or_ref,
    )
    if row is None:
        raise NotFound(f"No order {brief(id_or_ref)}")
    return dict(row)


async def lock(connection: Connection, public_id: UUID) -> dict[str, Any]:
    """Show an order and keep everybody else from changing it. Raises ``NotFound``."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM orders.orders o WHERE o.public_id = $1 FOR UPDATE",  # noqa: S608 - as above
        public_id,
    )
    if row is None:
        raise NotFound(f"No order {public_id}")
    return dict(row)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which orders to list: all that fit everything that is given."""

    status: str | None = None
    source: str | None = None
    order_id: str | None = None
    customer: str | None = None
    created_from: datetime | None = None
    created_until: datetime | None = None


#: What every list asks for beside its own filter, and where it goes on: arguments 1 to 6. Given as
#: ranges that are always there, so that a plan made once reads no more than one made for them.
_WANTED: Final = """
    created_at >= coalesce($1::timestamptz, '-infinity')
    AND created_at < coalesce($2::timestamptz, 'infinity')
    AND (created_at, id) < (coalesce((SELECT created_at FROM orders.orders
                                       WHERE id <= $3 ORDER BY id DESC LIMIT 1), 'infinity'),
                            coalesce($3::bigint, 9223372036854775807))
"""
_NEWEST: Final = "ORDER BY created_at DESC, id DESC LIMIT $6"
_OF_KIND: Final = "($4::text IS NULL OR source = $4) AND ($5::text IS NULL OR status = $5)"
#: The combinations of source and status that there are, each found by one look into the index.
_OF_ALL_KINDS: Final = f"""
    WITH RECURSIVE kinds AS (
        (SELECT source, status FROM orders.orders ORDER BY source, status LIMIT 1)
         UNION ALL
        SELECT next.source, next.status
          FROM kinds
         CROSS JOIN LATERAL (SELECT source, status
                               FROM orders.orders
                              WHERE (source, status) > (kinds.source, kinds.status)
                              ORDER BY source, status
                              LIMIT 1) AS next
    )
    SELECT listed.id, listed.created_at
      FROM kinds
     CROSS JOIN LATERAL (SELECT id, created_at
                           FROM orders.orders
                          WHERE orders.source = kinds.source AND orders.status = kinds.status
                            AND {_WANTED} {_NEWEST}) AS listed
     WHERE {_OF_KIND}
"""  # noqa: S608 - constants of ours
_OF_CUSTOMER: Final = f"""
    (SELECT id, created_at FROM orders.orders
      WHERE customer_email = $7 AND customer_email <> '' AND {_OF_KIND} AND {_WANTED} {_NEWEST})
     UNION ALL
    (SELECT id, created_at FROM orders.orders
      WHERE customer_ref = $7 AND customer_email <> $7 AND {_OF_KIND} AND {_WANTED} {_NEWEST})
"""  # noqa: S608 - as above
_OF_REFERENCE: Final = f"""
    SELECT id, created_at FROM orders.orders
     WHERE external_ref = $7 AND ($8::text IS NULL OR customer_email = $8 OR customer_ref = $8)
       AND {_OF_KIND} AND {_WANTED}
"""  # noqa: S608 - as above


async def list_newest(
    connection: Connection, wanted: Filter, *, before: int | None, at_most: int
) -> list[dict[str, Any]]:
    """List orders from the newest on, those before the order numbered ``before``.

    A list that goes on there shows each order once, however many come in meanwhile.
    """
    if wanted.order_id is not None:
        found, of = _OF_REFERENCE, [wanted.order_id, wanted.customer]
    elif wanted.customer is not None:
        found, of = _OF_CUSTOMER, [wanted.customer]
    else:
        found, of = _OF_ALL_KINDS, []
    rows = await connection.fetch(
        f"""
        SELECT {_COLUMNS}
          FROM (SELECT id FROM ({found}) AS found {_NEWEST}) AS page
          JOIN orders.orders o USING (id)
         ORDER BY o.created_at DESC, o.id DESC
        """,  # noqa: S608 - as above
        wanted.created_from,
        wanted.created_until,
        before,
        wanted.source,
        wanted.status,
        at_most,
        *of,
    )
    return [dict(row) for row in rows]


async def list_after(connection: Connection, number: int, *, at_most: int) -> list[dict[str, Any]]:
    """List orders in brief from the oldest on, those after the one numbered ``number``."""
    rows = await connection.fetch(
        """
        SELECT id, public_id, cart_uuid, total, created_at
          FROM orders.orders
         WHERE id > $1
         ORDER BY id
         LIMIT $2
        """,
        number,
        at_most,
    )
    return [dict(row) for row in rows]


async def remembered(connection: Connection, event_id: UUID, occurred_at: datetime) -> Event | None:
    """Find what the history knows of an event whose payload is gone: all but the order's content.

    None for an event of a cart, which has no history.
    """
    row = await connection.fetchrow(
        """
        SELECT history.event_id, history.type, history.sequence, history.at, placed.public_id
          FROM orders.order_history AS history
          JOIN orders.orders AS placed ON placed.id = history.order_id
         WHERE history.at = $2 AND history.event_id = $1
        """,
        event_id,
        occurred_at,
    )
    if row is None:
        return None
    return Event(row["event_id"], row["type"], row["sequence"], row["at"], row["public_id"], {})


async def history(connection: Connection, public_id: UUID) -> list[dict[str, Any]]:
    """List who did what to an order, and when, oldest first; empty where there is no such order."""
    rows = await connection.fetch(
        """
        SELECT sequence, type, actor, at, event_id, details
          FROM orders.order_history
         WHERE order_id = (SELECT id FROM orders.orders WHERE public_id = $1)
         ORDER BY sequence
        """,
        public_id,
    )
    return [dict(row) for row in rows]


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None

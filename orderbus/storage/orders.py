"""Orders as they are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from asyncpg import Record

from orderbus import telemetry
from orderbus.domain.orders import OrderId, PlaceOrder
from orderbus.domain.states import Status
from orderbus.domain.text import brief
from orderbus.errors import NotFound
from orderbus.storage import events, rows
from orderbus.storage.database import Connection


@dataclass(frozen=True, slots=True)
class Kept:
    """What a door needs to know of an order that is stored."""

    order_id: OrderId
    external_ref: str
    created_at: datetime
    content_hash: bytes


@dataclass(frozen=True, slots=True)
class OrderItem:
    """One line of an order."""

    sku: str
    name: str
    quantity: int
    unit_price: Decimal


@dataclass(frozen=True, slots=True)
class Order:
    """An order with its items."""

    order_pk: int
    order_id: OrderId
    external_ref: str
    source: str
    customer_name: str
    customer_email: str
    customer_ref: str | None
    items: Sequence[OrderItem]
    shipping_address: str
    total: Decimal
    status: Status
    status_reason: str | None
    cart_uuid: UUID | None
    created_at: datetime
    event_seq: int


_ADD: Final = f"""
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
    ), happened AS (
        SELECT id AS order_pk, public_id AS order_public_id, created_at AS order_created_at,
               1 AS sequence, $13 AS type, $14::jsonb AS content, $15 AS traceparent,
               $21 AS request_id, created_at AS occurred_at, $16::jsonb AS details,
               coalesce($20, (SELECT closed_by FROM orders.carts WHERE uuid = $18), $1) AS actor
          FROM placed
    ), {events.INTO_HISTORY_AND_OUTBOX}
    SELECT public_id, created_at FROM placed
"""  # noqa: S608 - constants of ours


async def add(
    connection: Connection,
    order: PlaceOrder,
    *,
    type: str,  # noqa: A002 - the event's type
    content: Mapping[str, Any],
    details: Mapping[str, Any],
    traceparent: str | None,
    order_id: OrderId | None = None,
    actor: str | None = None,
) -> Kept | None:
    """Store an order with its items, history, first event and outbox pointer, all or nothing.

    ``actor`` is who placed it: whoever closed its cart, or else its source, where it is not given.
    One statement, one round trip. Returns None where an order with this reference or this
    idempotency key, or of this cart, is there already; ``find_taken`` then tells which.
    """
    content_hash = order.content_hash()
    row = await connection.fetchrow(
        _ADD,
        order.source,
        order.external_ref,
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
        order_id,
        actor,
        telemetry.request_id(),
    )
    if row is None:
        return None
    events.wake_dispatcher(connection)
    return rows.one(Kept, row, external_ref=order.external_ref, content_hash=content_hash)


async def find_taken(
    connection: Connection, *, source: str, external_ref: str, idempotency_key: str | None
) -> list[Kept]:
    """List the orders that hold this reference or this idempotency key; two at most."""
    taken = await connection.fetch(
        """
        SELECT public_id, external_ref, created_at, content_hash
          FROM orders.orders
         WHERE source = $1 AND (external_ref = $2 OR idempotency_key = $3)
        """,
        source,
        external_ref,
        idempotency_key,
    )
    return rows.many(Kept, taken)


COLUMNS: Final = """
    o.id AS order_pk, o.public_id, o.external_ref, o.source, o.customer_name, o.customer_email,
    o.customer_ref, o.shipping_address, o.total, o.created_at, o.event_seq, o.cart_uuid, o.status,
    o.status_reason,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('sku', i.sku, 'name', i.name,
                'quantity', i.quantity, 'unit_price', i.unit_price::text)
                ORDER BY i.line), '[]')
       FROM orders.order_items i
      WHERE i.order_id = o.id) AS items
"""


def order_of(record: Record) -> Order:
    """Make an order of a record with ``COLUMNS``."""
    items = [
        OrderItem(**{**item, "unit_price": Decimal(item["unit_price"])}) for item in record["items"]
    ]
    return rows.one(Order, record, items=items, status=Status(record["status"]))


async def get(connection: Connection, id_or_ref: str) -> Order:
    """Show an order with its items, found by our uuid or by the sender's reference.

    Of several orders under one reference it finds the one that was signed, then that of a cart:
    whoever holds a key may choose any reference. Each is found by its uuid. Raises ``NotFound``.
    """
    row = await connection.fetchrow(
        f"""
        SELECT {COLUMNS}
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
    return order_of(row)


async def lock(connection: Connection, order_id: OrderId) -> Order:
    """Show an order and keep everybody else from changing it. Raises ``NotFound``."""
    row = await connection.fetchrow(
        f"SELECT {COLUMNS} FROM orders.orders o WHERE o.public_id = $1 FOR UPDATE",  # noqa: S608 - as above
        order_id,
    )
    if row is None:
        raise NotFound(f"No order {order_id}")
    return order_of(row)


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None

"""Carts as they are kept, each closed once and for good, with what they hold of the stock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from orderbus import telemetry
from orderbus.domain.carts import OpenCart
from orderbus.domain.events import CART_CHECKED_OUT
from orderbus.domain.orders import Item
from orderbus.errors import NotFound, OutOfStock, ShortLine
from orderbus.storage import events, reservations, rows
from orderbus.storage.database import Connection


@dataclass(frozen=True, slots=True)
class Cart:
    """A cart without its items."""

    cart_pk: int
    cart_uuid: UUID
    total_amount: Decimal
    created_at: datetime
    closed: bool


@dataclass(frozen=True, slots=True)
class Contents:
    """A cart with its items."""

    cart_uuid: UUID
    total_amount: Decimal
    items: Sequence[Item]
    created_at: datetime
    closed: bool


async def get(
    connection: Connection, cart_uuid: UUID, *, customer: UUID | None = None, lock: bool = False
) -> Contents:
    """Show a cart, and keep others from changing it if asked to.

    To a ``customer`` there are none but their own. Raises ``NotFound``.
    """
    found = await connection.fetchrow(
        f"""
        SELECT uuid AS cart_uuid, total_amount, items, created_at, closed_at IS NOT NULL AS closed
          FROM orders.carts
         WHERE uuid = $1 AND ($2::uuid IS NULL OR customer_id = $2) {"FOR UPDATE" if lock else ""}
        """,  # noqa: S608 - constants of ours
        cart_uuid,
        customer,
    )
    if found is None:
        raise NotFound("Cart not found")
    return rows.one(Contents, found, items=[Item.model_validate(item) for item in found["items"]])


async def set_items(
    connection: Connection, cart_uuid: UUID, items: Sequence[Item], *, total: Decimal
) -> None:
    """Let a cart, whose row is locked, have these items."""
    await connection.execute(
        "UPDATE orders.carts SET items = $2, total_amount = $3 WHERE uuid = $1",
        cart_uuid,
        [item.model_dump(mode="json") for item in items],
        total,
    )


async def add(connection: Connection, cart: OpenCart, *, customer: UUID | None = None) -> UUID:
    """Open a cart with a total, or with items that make up the total; it may be a customer's."""
    return await connection.fetchval(
        "INSERT INTO orders.carts (total_amount, items, customer_id) VALUES ($1, $2, $3)"
        " RETURNING uuid",
        cart.amount(),
        [item.model_dump(mode="json") for item in cart.items or ()],
        customer,
    )


async def list_after(
    connection: Connection, cart_pk: int, *, at_most: int, customer: UUID | None = None
) -> list[Cart]:
    """List carts from the oldest on, those after the row numbered ``cart_pk``; a customer's alone.

    Each of the two is read by an index of its own.
    """
    records = await connection.fetch(
        f"""
        SELECT id AS cart_pk, uuid AS cart_uuid, total_amount, created_at,
               closed_at IS NOT NULL AS closed
          FROM orders.carts
         WHERE id > $1 {"" if customer is None else "AND customer_id = $3"} ORDER BY id LIMIT $2
        """,  # noqa: S608 - as above
        cart_pk,
        at_most,
        *([] if customer is None else [customer]),
    )
    return rows.many(Cart, records)


_CHECK_OUT: Final = f"""
    WITH cart AS MATERIALIZED (
        SELECT uuid
          FROM orders.carts
         WHERE uuid = $1 AND closed_at IS NULL AND ($6::uuid IS NULL OR customer_id = $6)
           FOR UPDATE
    ), {reservations.LOCKED}, closed AS (
        UPDATE orders.carts
           SET closed_at = now(), closed_by = $4
         WHERE uuid = (SELECT uuid FROM cart) AND NOT EXISTS (SELECT FROM short)
        RETURNING *
    ), {reservations.FOR_GOOD}, happened AS (
        SELECT id AS order_pk, uuid AS order_public_id, created_at AS order_created_at,
               1 AS sequence, $2 AS type, $3 AS traceparent, $5 AS request_id,
               closed_at AS occurred_at,
               jsonb_build_object('order_id', uuid, 'source', 'cart',
                   'customer', jsonb_strip_nulls(
                       jsonb_build_object('name', '', 'email', '', 'id', customer_id)),
                   'items', items, 'shipping_address', '', 'total', total_amount::text)
                   AS content
          FROM closed
    ), {events.INTO_OUTBOX}
    SELECT EXISTS (SELECT FROM closed) AS closed,
           (SELECT jsonb_agg(jsonb_build_array(sku, short.quantity, short.available) ORDER BY sku)
              FROM short
              JOIN products.products ON products.id = product_id) AS short
      FROM orders.carts
     WHERE uuid = $1 AND ($6::uuid IS NULL OR customer_id = $6)
"""  # noqa: S608 - constants of ours


async def check_out(
    connection: Connection,
    cart_uuid: UUID,
    *,
    actor: str | None = None,
    customer: UUID | None = None,
    traceparent: str | None,
) -> bool:
    """Close a cart, with its event and outbox pointer; false if it was closed before.

    One statement: of many at once, one closes it, and what it holds of the stock it holds for good.
    The event carries the order that the cart becomes, whose reference is the cart's uuid; ``actor``
    is who placed it. Raises ``NotFound``, also where it is not this ``customer``'s, if one is
    given; ``OutOfStock`` where it held something too long and others have it now.
    """
    about = (CART_CHECKED_OUT, traceparent, actor, telemetry.request_id())
    found = await connection.fetchrow(_CHECK_OUT, cart_uuid, *about, customer)
    if found is None:
        raise NotFound("Cart not found")
    if found["short"]:
        short = [ShortLine(*line) for line in found["short"]]
        raise OutOfStock("The cart held it too long: there is too little in stock now", short=short)
    closed: bool = found["closed"]
    if closed:
        events.wake_dispatcher(connection)
    return closed

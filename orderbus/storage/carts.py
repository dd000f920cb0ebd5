"""Carts as they are kept, each closed once and for good."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from orderbus import telemetry
from orderbus.domain.carts import OpenCart
from orderbus.domain.events import CART_CHECKED_OUT
from orderbus.errors import NotFound
from orderbus.storage import events, rows
from orderbus.storage.database import Connection


@dataclass(frozen=True, slots=True)
class Cart:
    """A cart without its items."""

    cart_pk: int
    cart_uuid: UUID
    total_amount: Decimal
    created_at: datetime
    closed: bool


async def add(connection: Connection, cart: OpenCart) -> UUID:
    """Open a cart with a total, or with items that make up the total."""
    return await connection.fetchval(
        "INSERT INTO orders.carts (total_amount, items) VALUES ($1, $2) RETURNING uuid",
        cart.amount(),
        [item.model_dump(mode="json") for item in cart.items or ()],
    )


async def list_after(connection: Connection, cart_pk: int, *, at_most: int) -> list[Cart]:
    """List carts from the oldest on, those after the row numbered ``cart_pk``."""
    records = await connection.fetch(
        """
        SELECT id AS cart_pk, uuid AS cart_uuid, total_amount, created_at,
               closed_at IS NOT NULL AS closed
          FROM orders.carts
         WHERE id > $1 ORDER BY id LIMIT $2
        """,
        cart_pk,
        at_most,
    )
    return rows.many(Cart, records)


async def check_out(
    connection: Connection,
    cart_uuid: UUID,
    *,
    actor: str | None = None,
    traceparent: str | None,
) -> bool:
    """Close a cart, with its event and outbox pointer; false if it was closed before.

    One statement: of many at once, one closes it. The event carries the order that the cart
    becomes, whose reference is the cart's uuid; ``actor`` is who placed it. Raises ``NotFound``.
    """
    closed: bool | None = await connection.fetchval(
        f"""
        WITH closed AS (
            UPDATE orders.carts
               SET closed_at = now(), closed_by = $4
             WHERE uuid = $1 AND closed_at IS NULL
            RETURNING *
        ), happened AS (
            SELECT id AS order_pk, uuid AS order_public_id, created_at AS order_created_at,
                   1 AS sequence, $2 AS type, $3 AS traceparent, $5 AS request_id,
                   closed_at AS occurred_at,
                   jsonb_build_object('order_id', uuid, 'source', 'cart',
                       'customer', jsonb_build_object('name', '', 'email', ''),
                       'items', items, 'shipping_address', '', 'total', total_amount::text)
                       AS content
              FROM closed
        ), {events.INTO_OUTBOX}
        SELECT EXISTS (SELECT FROM closed) FROM orders.carts WHERE uuid = $1
        """,  # noqa: S608 - a constant of ours
        cart_uuid,
        CART_CHECKED_OUT,
        traceparent,
        actor,
        telemetry.request_id(),
    )
    if closed is None:
        raise NotFound("Cart not found")
    if closed:
        events.wake_dispatcher(connection)
    return closed

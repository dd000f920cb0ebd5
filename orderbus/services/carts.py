"""Carts are opened and checked out, and become orders."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from orderbus import storage
from orderbus.domain.carts import OpenCart
from orderbus.domain.events import CART_CHECKED_OUT, Event
from orderbus.domain.orders import Item, PlaceOrder
from orderbus.services import orders
from orderbus.storage.database import Connection, Database


async def check_out(
    database: Database, cart_uuid: UUID, *, actor: str | None = None, traceparent: str | None
) -> bool:
    """Close a cart, and tell whoever listens; false if it was closed before.

    ``actor`` is then who placed the order it becomes. Of many at once, one closes it. Raises
    ``NotFound``, ``Unavailable``.
    """
    async with database.connection() as connection:
        return await storage.carts.check_out(
            connection, cart_uuid, type=CART_CHECKED_OUT, actor=actor, traceparent=traceparent
        )


async def open_cart(connection: Connection, cart: OpenCart) -> UUID:
    """Open a cart with a total, or with items that make up the total."""
    return await storage.carts.add(
        connection,
        total_amount=cart.amount(),
        items=[item.model_dump(mode="json") for item in cart.items or ()],
    )


async def create_order(connection: Connection, event: Event) -> None:
    """Place the order a closed cart becomes: one for each cart, ever."""
    order = PlaceOrder(
        source="cart",
        external_ref=event.order["order_id"],
        total=Decimal(event.order["total"]),
        items=tuple(Item.model_validate(item) for item in event.order["items"]),
        cart_uuid=event.order_id,
    )
    await orders.accept(connection, order, traceparent=event.traceparent)

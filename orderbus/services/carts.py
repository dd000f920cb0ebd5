"""Carts become orders."""

from __future__ import annotations

from decimal import Decimal

from orderbus.domain.events import Event
from orderbus.domain.orders import Item, PlaceOrder
from orderbus.services import orders
from orderbus.storage.database import Connection


async def create_order(connection: Connection, event: Event) -> None:
    """Place the order that a cart which was checked out becomes: one for each cart, ever."""
    order = PlaceOrder(
        source="cart",
        external_ref=event.order["order_id"],
        total=Decimal(event.order["total"]),
        items=tuple(Item.model_validate(item) for item in event.order["items"]),
        cart_uuid=event.order_id,
    )
    await orders.accept(connection, order, traceparent=event.traceparent)

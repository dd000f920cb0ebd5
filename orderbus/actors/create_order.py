"""Make an order of a cart that was checked out."""

from __future__ import annotations

from decimal import Decimal

from orderbus import services
from orderbus.actors.consumers import consumer
from orderbus.domain.events import Event
from orderbus.domain.orders import Item, PlaceOrder
from orderbus.storage.database import Connection


@consumer("cart.checked_out")
async def create_order(connection: Connection, event: Event) -> None:
    """Place the order that the cart becomes: one for each cart, ever."""
    order = PlaceOrder(
        source="cart",
        external_ref=event.order["order_id"],
        total=Decimal(event.order["total"]),
        items=tuple(Item.model_validate(item) for item in event.order["items"]),
        cart_uuid=event.order_id,
    )
    await services.orders.accept(connection, order, traceparent=event.traceparent)

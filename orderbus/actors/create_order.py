"""Make an order of a cart that was checked out."""

from __future__ import annotations

from orderbus import services
from orderbus.actors.consumers import consumer
from orderbus.domain.events import Event
from orderbus.storage.database import Connection


@consumer("cart.checked_out")
async def create_order(connection: Connection, event: Event) -> None:
    """Place the order that the cart becomes, once."""
    await services.carts.create_order(connection, event)

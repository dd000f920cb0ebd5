"""Count the orders there are."""

from __future__ import annotations

from orderbus import storage
from orderbus.actors.consumers import consumer
from orderbus.domain.events import Event
from orderbus.storage.database import Connection


@consumer("order.created")
async def count_event(connection: Connection, event: Event) -> None:  # noqa: ARG001 - one more is one more
    """Count one more order, exactly once."""
    await storage.metrics.count(connection, "orders_created")

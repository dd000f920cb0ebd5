"""Count the orders there are."""

from __future__ import annotations

from collections.abc import Sequence

from orderbus import storage
from orderbus.actors.consumers import consumer
from orderbus.domain.events import Event
from orderbus.storage.database import Connection


@consumer("order.created", together=True)
async def count_event(connection: Connection, events: Sequence[Event]) -> None:
    """Count orders, each exactly once."""
    await storage.metrics.count(connection, "orders_created", len(events))

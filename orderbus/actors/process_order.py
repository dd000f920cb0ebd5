"""Process an order that was created."""

from __future__ import annotations

from orderbus.actors.consumers import consumer
from orderbus.domain.events import Event
from orderbus.domain.processing import Outcome
from orderbus.services import processing
from orderbus.storage.database import Connection


@consumer("order.created", prepare=processing.process, on_dead_letter=processing.fail)
async def process_order(connection: Connection, event: Event, outcome: Outcome | None) -> None:
    """Write down what came of it, once."""
    await processing.finish(connection, event, outcome)

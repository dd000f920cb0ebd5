"""Process an order that was created."""

from __future__ import annotations

from collections.abc import Sequence

from orderbus.actors.consumers import consumer
from orderbus.domain.events import Event
from orderbus.domain.processing import Outcome
from orderbus.services import processing
from orderbus.storage.database import Connection


@consumer(
    "order.created",
    together=True,
    begin=processing.begin,
    prepare=processing.process,
    on_dead_letter=processing.fail,
)
async def process_order(
    connection: Connection, events: Sequence[Event], outcomes: Sequence[Outcome | None]
) -> None:
    """Write down what came of them, once."""
    await processing.finish(connection, events, outcomes)

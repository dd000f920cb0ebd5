"""Two consumers more, as a later version has them."""

from __future__ import annotations

import os
from pathlib import Path

from orderbus import storage
from orderbus.actors.consumers import consumer
from orderbus.domain.events import Event
from orderbus.storage.database import Connection


@consumer("*.created")
async def audit(connection: Connection, _: Event) -> None:
    """Count."""
    await storage.metrics.count(connection, "audited")


@consumer("order.created")
async def flaky(connection: Connection, event: Event) -> None:
    """Count, and fail the first three times an event is seen."""
    await storage.metrics.count(connection, "flaky")
    if _times_seen(event) <= 3:
        message = "not yet"
        raise ValueError(message)


def _times_seen(event: Event) -> int:
    seen = Path(os.environ["SEEN"])
    with seen.open("a") as file:
        file.write(f"{event.id}\n")
    return seen.read_text().count(str(event.id))

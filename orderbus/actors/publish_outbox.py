"""Wake this process up: events wait in the outbox."""

from __future__ import annotations

import dramatiq

from orderbus.actors.broker import broker
from orderbus.worker import lifecycle


@dramatiq.actor(broker=broker, queue_name="publish_outbox", time_limit=10_000, max_retries=3)
async def publish_outbox() -> None:
    """Have what is due published by this process; no message and no thread waits for that."""
    lifecycle.wake("publish_outbox")

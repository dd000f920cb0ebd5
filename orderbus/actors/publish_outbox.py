"""Publish a batch of what waits in the outbox."""

from __future__ import annotations

import dramatiq

from orderbus import services
from orderbus.actors.broker import broker
from orderbus.worker import lifecycle


@dramatiq.actor(broker=broker, queue_name="publish_outbox", time_limit=30_000, max_retries=3)
async def publish_outbox() -> None:
    """Publish one batch; doing it once too often does nothing."""
    held = lifecycle.resources()
    await services.outbox.publish_due(held.database, held.publisher, held.settings)

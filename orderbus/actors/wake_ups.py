"""Messages that wake this process up for what is due; no message and no thread waits for that."""

from __future__ import annotations

import dramatiq

from orderbus.actors.broker import broker
from orderbus.worker import lifecycle


@dramatiq.actor(broker=broker, queue_name="publish_outbox", time_limit=10_000, max_retries=3)
async def publish_outbox() -> None:
    """Have the events of the outbox published by this process."""
    lifecycle.wake("publish_outbox")


@dramatiq.actor(broker=broker, queue_name="deliver_webhook", time_limit=10_000, max_retries=3)
async def deliver_webhook(delivery: int | None = None) -> None:  # noqa: ARG001 - as before 0015
    """Have deliveries attempted by this process."""
    lifecycle.wake("deliver_webhook")

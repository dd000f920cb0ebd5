"""Wake this process up: deliveries are due."""

from __future__ import annotations

import dramatiq

from orderbus.actors.broker import broker
from orderbus.worker import lifecycle


@dramatiq.actor(broker=broker, queue_name="deliver_webhook", time_limit=10_000, max_retries=3)
async def deliver_webhook(delivery: int | None = None) -> None:  # noqa: ARG001 - as before 0015
    """Have what is due attempted by this process; no message and no thread waits for that."""
    lifecycle.wake("deliver_webhook")

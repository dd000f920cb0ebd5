"""Tell one endpoint of one event."""

from __future__ import annotations

from contextlib import suppress

import dramatiq

from orderbus import services
from orderbus.actors import boot
from orderbus.actors.broker import broker, enqueue_deliveries
from orderbus.errors import Unavailable


@dramatiq.actor(broker=broker, queue_name="deliver_webhook", time_limit=120_000, max_retries=3)
async def deliver_webhook(delivery: int) -> None:
    """Attempt a delivery if it may go now, and hint at what may go next."""
    held = boot.resources()
    following = await services.delivery.deliver(held.database, held.http, held.settings, delivery)
    with suppress(Unavailable):  # the delivery is settled; the beat hints again
        await enqueue_deliveries(following)

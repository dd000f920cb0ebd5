"""Tell one endpoint of one event."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import dramatiq

from orderbus import services
from orderbus.actors.broker import broker, enqueue_deliveries
from orderbus.errors import Unavailable
from orderbus.worker import lifecycle

#: Milliseconds: an attempt, and all the patience with PostgreSQL before and after it.
_TIME_LIMIT: Final = int(2 * services.deliveries.PATIENCE.total_seconds() + 120) * 1000


@dramatiq.actor(broker=broker, queue_name="deliver_webhook", time_limit=_TIME_LIMIT, max_retries=3)
async def deliver_webhook(delivery: int) -> None:
    """Attempt a delivery if it may go now, and wake a worker up for what may go next."""
    held = lifecycle.resources()
    following = await services.deliveries.deliver(
        held.database, held.http, held.settings, held.isolation, delivery
    )
    with suppress(Unavailable):  # the delivery is settled; the dispatcher enqueues it again
        await enqueue_deliveries(following)

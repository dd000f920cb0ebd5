"""The bridge: events come back from Pub/Sub into the inbox, and wake the workers up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

from orderbus import services, telemetry
from orderbus.actors import broker, consumers, given_up
from orderbus.domain import retries
from orderbus.errors import Unavailable
from orderbus.pubsub.subscriber import Connected, nobody_asks, subscribed
from orderbus.pubsub.subscription import Subscription
from orderbus.settings import Settings
from orderbus.storage.database import Database
from orderbus.waiting import until_it_works


async def run(
    settings: Settings,
    database: Database,
    *,
    stop: asyncio.Event,
    connected: Connected = nobody_asks,
    max_messages: int | None = None,
) -> None:
    """Bring events back until ``stop`` is set or ``max_messages`` came, whatever is away meanwhile.

    A batch is acknowledged once it is committed. While PostgreSQL is away the same batch waits.
    What could not be recorded, because somebody else is at work on its order, is tried again after
    a pause. Raises ``Misconfigured`` where Pub/Sub refuses us.
    """
    wanted = {consumer.name: consumer.pattern for consumer in consumers.installed(settings)}
    patiently = partial(until_it_works, pauses=retries.BRIDGE_BATCH, stop=stop, away=_log_away)
    size, left = settings.bridge_batch, max_messages
    async with (
        _beside(given_up.look_at_pubsub(settings, database)),
        subscribed(settings, stop=stop, connected=connected) as subscription,
    ):
        while not stop.is_set() and left != 0:
            batch = await subscription.next_batch(size if left is None else min(size, left))
            try:
                if subscription.made_anew:
                    await patiently(partial(_publish_again, database, subscription))
                if not batch:  # PostgreSQL may stand still, and whoever stops would wait for it
                    continue
                receive = partial(services.inbox.receive, database, batch, wanted=wanted)
                due = await patiently(receive)
            except Unavailable:  # and nobody wants to wait any longer
                subscription.give_back(batch)
                return
            # What is due is committed: workers find it by themselves where a message gets lost.
            with suppress(Unavailable):
                await broker.wake_up({**due.consumptions, "deliver_webhook": len(due.deliveries)})
            subscription.settle(batch, later=due.later)
            left = None if left is None else left - len(batch) + len(due.later)


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Have something done while the block runs; nothing it raises ends the block."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _publish_again(database: Database, subscription: Subscription) -> None:
    """Have everything published again that a subscription held which is gone."""
    subscription.made_anew = False  # one that goes meanwhile is noted anew
    count = await services.lost_events.take_back_all(database)
    telemetry.log.warning("subscription_made_anew", events_to_publish_again=count)


def _log_away(error: Exception) -> None:
    telemetry.log.warning("bridge_waits", error=str(error))

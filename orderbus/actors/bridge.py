"""The way back from Pub/Sub: events into the inbox, hints to the workers.

Runs in the bridge's own process; where the queues are inside the worker, it runs there too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from orderbus import telemetry
from orderbus.actors import broker, consumers
from orderbus.errors import Unavailable
from orderbus.pubsub import bridge, topology
from orderbus.pubsub.bridge import Received, nobody_asks
from orderbus.pubsub.pull import Connected
from orderbus.services import bridge as services_bridge
from orderbus.services import lost_events
from orderbus.settings import Settings
from orderbus.storage.database import Database


async def run(
    settings: Settings,
    database: Database,
    *,
    stop: asyncio.Event,
    connected: Connected = nobody_asks,
    max_messages: int | None = None,
) -> None:
    """Bring events back until ``stop`` is set or ``max_messages`` came, whatever is away meanwhile.

    Raises ``Misconfigured`` where Pub/Sub refuses us.
    """
    wanted = {consumer.name: consumer.pattern for consumer in consumers.installed(settings)}

    async def handle(batch: list[Received]) -> Sequence[Received]:
        # What is due is committed: a hint that gets lost is sent again, so nothing waits.
        due = await services_bridge.receive(database, batch, wanted=wanted)
        with suppress(Unavailable):
            await consumers.enqueue(due.consumptions)
            await broker.enqueue_deliveries(due.deliveries)
        return due.later

    async def made_anew() -> None:
        count = await lost_events.take_back_all(database)
        telemetry.log.warning("subscription_made_anew", events_to_publish_again=count)

    async def prepare() -> None:
        if (await topology.ensure(settings)).subscription_made:
            await made_anew()

    await _until_it_works(prepare, stop)
    await bridge.stream(
        settings,
        handle,
        made=made_anew,
        stop=stop,
        max_messages=max_messages,
        connected=connected,
    )


async def _until_it_works(attempt: Callable[[], Awaitable[None]], stop: asyncio.Event) -> None:
    pause = 0.2
    while not stop.is_set():
        try:
            await attempt()
        except Unavailable as error:
            telemetry.log.warning("part_away", error=str(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)
            pause = min(2.0, pause * 2)
        else:
            return

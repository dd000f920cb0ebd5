"""What turns rows that are due into messages?

Every worker process runs the beat; there is no leader. It listens for the web server's
notification and looks by itself once a second. Rows are noted as hinted when they are told of, so
several beats share the work instead of doubling it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from orderbus import services, storage, telemetry
from orderbus.actors import boot, broker, watchpoint
from orderbus.errors import Misconfigured, OrderbusError, Unavailable
from orderbus.pubsub import topology
from orderbus.resources import Resources
from orderbus.services.upkeep import Upkeep

#: Seconds between two looks; each is up to a fifth shorter, so that workers do not march in step.
INTERVAL: Final = 1.0
CHANNEL: Final = "outbox"


async def run(resources: Resources) -> None:
    """Beat for as long as the worker runs, whatever is away."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_hint_outbox(resources))
        group.create_task(_hint_the_rest(resources))
        group.create_task(_watch_parts(resources))


async def _hint_outbox(resources: Resources) -> None:
    """Tell of what waits to be published, as soon as a notification comes, and every second."""
    while True:
        async with _going_on(), resources.database.listening(CHANNEL) as wait:
            while True:
                count = await services.relay.hint_due(resources.database, resources.settings)
                await broker.enqueue_publish_outbox(count)
                await wait(_interval())
        await asyncio.sleep(_interval())


async def _hint_the_rest(resources: Resources) -> None:
    upkeep = Upkeep(resources.database, resources.settings)
    while True:
        await asyncio.sleep(_interval())
        async with _going_on():
            await upkeep.tick()
            due = await services.delivery.hint_due(resources.database, resources.settings)
            await broker.enqueue_deliveries(due)


@asynccontextmanager
async def _going_on() -> AsyncIterator[None]:
    """Let no failure end the beat."""
    try:
        yield
    except (Unavailable, Misconfigured):
        return  # the parts' watch says which one is away, once
    except Exception:  # noqa: BLE001 - a door: whatever it is, the next beat may do better
        telemetry.log.exception("beat_failed")


async def _watch_parts(resources: Resources) -> None:
    """Ask each part once a second, and report for readiness what answers."""
    seen: dict[str, bool] = {}
    pubsub = _Pubsub(resources)
    asks = {"postgres": resources.database.ping, "rabbitmq": broker.ping, "pubsub": pubsub.ask}
    while True:
        async with _going_on():
            for part, ask in asks.items():
                seen[part] = await _answers(part, ask, known=seen.get(part))
            watchpoint.report(seen)
        await asyncio.sleep(_interval())


class _Pubsub:
    """Tells whether Pub/Sub takes events; makes what is missing there when first reached."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._made = False
        self._lost = False

    async def ask(self) -> None:
        """Return if it takes events; raises ``Unavailable``."""
        if not self._made:
            made = await topology.ensure(self._resources.settings)
            self._made, self._lost = True, made.subscription_made
        paused = False
        with suppress(Unavailable):  # then it is PostgreSQL that is away
            if self._lost:
                await services.relay.take_back_all(self._resources.database)
                self._lost = False
            async with self._resources.database.connection() as connection:
                paused = await storage.outbox.breaker_is_open(connection)
        if paused:
            message = "Pub/Sub takes nothing: publishing is paused"
            raise Unavailable(message)


async def _answers(part: str, ask: Callable[[], Awaitable[None]], *, known: bool | None) -> bool:
    try:
        async with asyncio.timeout(5):
            await ask()
    except Misconfigured as error:
        boot.give_up(error)
        return False
    except (OrderbusError, TimeoutError) as error:
        if known is not False:
            telemetry.log.warning("part_away", part=part, error=str(error))
        return False
    if known is False:
        telemetry.log.info("part_back", part=part)
    return True


def _interval() -> float:
    return INTERVAL * random.uniform(0.8, 1.0)  # noqa: S311 - spreads the beats, guards nothing

"""Watches whether this worker reaches what it depends on.

Each is asked once a second. What is away is logged once, and once when it is back; readiness
always tells. While PostgreSQL is away no message is taken: none of them could succeed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final

from orderbus import services, storage, telemetry
from orderbus.errors import Denied, Misconfigured, OrderbusError, Unavailable
from orderbus.pubsub import topology
from orderbus.resources import Resources
from orderbus.services.health import Found
from orderbus.worker import lifecycle, shared_state
from orderbus.worker.broker import Broker

#: Asks for a part of its own name, or finds several.
Ask = Callable[[], Awaitable[Found | None]]

#: Seconds between two questions, and how long a part has to answer.
_INTERVAL: Final = 1.0
_PATIENCE: Final = 10.0


class Dependencies:
    """Asks every one of them, and writes down for readiness what answers."""

    def __init__(self, resources: Resources, broker: Broker, lost: Callable[[], list[str]]) -> None:
        """Take nothing for granted yet: what was not heard of counts as away.

        ``lost`` names threads of this worker that ended.
        """
        self._resources = resources
        self._broker = broker
        self._lost = lost
        self._asks: dict[str, Ask] = {
            "postgres": self._postgres,
            "rabbitmq": broker.ping,
            "pubsub": self._pubsub,
        }
        self._up: dict[str, bool | None] = dict.fromkeys([*self._asks, *services.health.POSTGRES])
        self._topology_made = False
        self._events_lost = False
        self._paused = False

    async def watch(self) -> None:
        """Ask for as long as the worker runs."""
        async with asyncio.TaskGroup() as group:
            for name, ask in self._asks.items():
                group.create_task(self._watch(name, ask))
            group.create_task(self._report())

    async def _watch(self, name: str, ask: Ask) -> None:
        while True:
            for part, error in (await self._found(name, ask)).items():
                self._saw(part, error)
            if name == "postgres":
                can_work = self._up["postgres"] and self._up["schema"]
                (self._broker.gate.set if can_work else self._broker.gate.clear)()
            await asyncio.sleep(_INTERVAL)

    async def _found(self, name: str, ask: Ask) -> Mapping[str, Exception | None]:
        try:
            async with asyncio.timeout(_PATIENCE):
                return await ask() or {name: None}
        except Exception as error:  # noqa: BLE001 - a door: the others must be watched all the same
            return {name: error}

    def _saw(self, part: str, error: Exception | None) -> None:
        """Note how a part answered; what changed is said once. Ends a worker that cannot work."""
        was_up, self._up[part] = self._up[part], error is None
        if isinstance(error, Misconfigured) or (isinstance(error, Denied) and was_up is None):
            lifecycle.exit_misconfigured(error)
        if error is None:
            if was_up is False:
                telemetry.log.info("part_back", part=part)
        elif was_up is not False:
            ours = isinstance(error, OrderbusError | TimeoutError)
            telemetry.log.warning(
                "part_away",
                part=part,
                error=str(error) or "it was silent",
                exc_info=None if ours else error,
            )

    async def _report(self) -> None:
        while True:
            self.report()
            await asyncio.sleep(_INTERVAL / 2)

    def report(self) -> None:
        """Write down what is up; a process that lost a thread is not ready, and ends."""
        lost = self._lost()
        shared_state.report(
            {**{name: up is True for name, up in self._up.items()}, "threads": not lost}
        )
        if lost:
            lifecycle.end_broken("threads_lost", threads=lost)

    async def _postgres(self) -> Found:
        """Ask for the schema, too: without it no message could succeed."""
        database = self._resources.database
        found = await services.health.look(database)
        if not any(found.values()):
            async with database.connection() as connection:
                self._paused = await storage.outbox.breaker_is_open(connection)
        return found

    async def _pubsub(self) -> None:
        """Make what is missing once; after that the relay's breaker knows."""
        if not self._topology_made:
            made = await topology.ensure(self._resources.settings)
            self._topology_made, self._events_lost = True, made.subscription_made
        if self._events_lost:
            with suppress(Unavailable):  # then it is PostgreSQL that is away
                await services.lost_events.take_back_all(self._resources.database)
                self._events_lost = False
        if self._paused:
            raise Unavailable("Pub/Sub takes nothing: publishing is paused")

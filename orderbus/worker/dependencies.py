"""Watches what this worker depends on; while PostgreSQL is away no message is taken."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from orderbus import services, storage
from orderbus.errors import Denied, Misconfigured, Unavailable
from orderbus.pubsub import topology
from orderbus.rabbitmq.memory_broker import AnyBroker
from orderbus.resources import Resources
from orderbus.services.health import Ask, Found, Health
from orderbus.worker import lifecycle, shared_state

#: Seconds between two reports for readiness.
_REPORTS: Final = 0.5


class Dependencies(Health):
    """Asks every one of them, and reports for readiness what answers."""

    def __init__(
        self, resources: Resources, broker: AnyBroker, lost: Callable[[], list[str]]
    ) -> None:
        """Know of nothing yet; ``lost`` names threads of this worker that ended."""
        self._resources = resources
        self._broker = broker
        self._lost = lost
        self._asks: dict[str, Ask] = {
            "postgres": self._postgres,
            "rabbitmq": broker.ping,
            "pubsub": self._pubsub,
        }
        super().__init__(*self._asks, *services.health.POSTGRES)
        self._topology_made = False
        self._events_lost = False
        self._paused = False

    async def watch_all(self) -> None:
        """Ask for as long as the worker runs."""
        async with asyncio.TaskGroup() as group:
            for name, ask in self._asks.items():
                group.create_task(self.watch(name, ask))
            group.create_task(self._report())

    def saw(self, name: str, error: Exception | None) -> None:
        """Note how one answered; ends a worker that a person has to configure first."""
        if isinstance(error, Misconfigured) or (
            isinstance(error, Denied) and self._up[name] is None
        ):
            lifecycle.exit_misconfigured(error)
        super().saw(name, error)

    async def _report(self) -> None:
        while True:
            self.report()
            await asyncio.sleep(_REPORTS)

    def report(self) -> None:
        """Write down what is up; a process that lost a thread is not ready, and ends."""
        lost = self._lost()
        shared_state.report({**self.readiness.dependencies, "threads": not lost})
        if lost:
            lifecycle.end_broken("threads_lost", threads=lost)

    async def _postgres(self) -> Found:
        database, takes_work = self._resources.database, False
        try:
            found = await services.health.look(database)
            takes_work = services.health.takes_work(found)
            if not any(found.values()):
                self._paused = await database.ask(storage.outbox.breaker_is_open)
        finally:
            (self._broker.gate.set if takes_work else self._broker.gate.clear)()
        return found

    async def _pubsub(self) -> None:
        """Make what is missing once; after that the relay's breaker knows."""
        if not self._topology_made:
            self._events_lost = await topology.ensure(self._resources.settings)
            self._topology_made = True
        if self._events_lost:
            with suppress(Unavailable):  # then it is PostgreSQL that is away
                await services.lost_events.take_back_all(self._resources.database)
                self._events_lost = False
        if self._paused:
            raise Unavailable("Pub/Sub takes nothing: publishing is paused")

"""Which of its neighbours does this worker reach?

Each is asked once a second. What is away is said once, and once when it is back; readiness always
tells. While PostgreSQL is away no message is taken: none of them could succeed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from orderbus import services, storage, telemetry
from orderbus.actors import boot, folder
from orderbus.actors.broker import broker
from orderbus.actors.line import Denied
from orderbus.errors import Misconfigured, OrderbusError, Unavailable
from orderbus.pubsub import topology
from orderbus.resources import Resources

Ask = Callable[[], Awaitable[None]]

#: Seconds between two questions, and how long a part has to answer.
_INTERVAL: Final = 1.0
_PATIENCE: Final = 10.0


class Parts:
    """Asks every part, and writes down for readiness what answers."""

    def __init__(self, resources: Resources) -> None:
        """Take nothing for granted yet: a part that was not heard of counts as away."""
        self._resources = resources
        self._asks: dict[str, Ask] = {
            "postgres": self._postgres,
            "rabbitmq": broker.ping,
            "pubsub": self._pubsub,
        }
        self._up: dict[str, bool | None] = dict.fromkeys(self._asks)
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
            up = await self._answers(name, ask)
            if name == "postgres":
                (broker.gate.set if up else broker.gate.clear)()
            self._up[name] = up
            await asyncio.sleep(_INTERVAL)

    async def _answers(self, name: str, ask: Ask) -> bool:
        was_up = self._up[name]
        try:
            async with asyncio.timeout(_PATIENCE):
                await ask()
        except Misconfigured as error:
            boot.give_up(error)
        except (OrderbusError, TimeoutError) as error:
            if isinstance(error, Denied) and was_up is None:
                boot.give_up(error)
            if was_up is not False:
                telemetry.log.warning("part_away", part=name, error=str(error) or "it was silent")
            return False
        except Exception:  # noqa: BLE001 - a door: the others must be watched all the same
            if was_up is not False:
                telemetry.log.exception("part_away", part=name)
            return False
        if was_up is False:
            telemetry.log.info("part_back", part=name)
        return True

    async def _report(self) -> None:
        while True:
            folder.report({name: up is True for name, up in self._up.items()})
            await asyncio.sleep(_INTERVAL / 2)

    async def _postgres(self) -> None:
        """Ask for something that needs the schema, too."""
        async with self._resources.database.connection() as connection:
            self._paused = await storage.outbox.breaker_is_open(connection)

    async def _pubsub(self) -> None:
        """Make what is missing once; after that the relay's breaker knows."""
        if not self._topology_made:
            made = await topology.ensure(self._resources.settings)
            self._topology_made, self._events_lost = True, made.subscription_made
        if self._events_lost:
            with suppress(Unavailable):  # then it is PostgreSQL that is away
                await services.relay.take_back_all(self._resources.database)
                self._events_lost = False
        if self._paused:
            raise Unavailable("Pub/Sub takes nothing: publishing is paused")

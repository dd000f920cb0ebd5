"""One consumer's way with an event, step by step, on the real database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from orderbus import storage
from orderbus.domain.events import Event
from orderbus.services.consumptions import Work
from orderbus.settings import load
from orderbus.storage.database import Connection, Database
from tests.support import consumption_rows, scenario

Effect = Callable[[Connection, Any], Awaitable[None]]


async def consume(database: Database, effect: Effect, **more: Any) -> None:
    """Let a consumer of this effect have the events that are due to it."""
    settings = load(_env_file=None, secret_key="a key for tests")
    held = scenario.resources(database, settings)
    await scenario.have_consumed(held, "count_event", Work(effect, **more))


async def consume_all(database: Database, effect: Effect, **more: Any) -> None:
    """Let the consumer have what is due, again and again, until only what fails for good is left.

    As often as an event is tried, and once more.
    """
    for _ in range(6):
        await consumption_rows.make_due(database)
        await consume(database, effect, **more)


async def count(connection: Connection, _: Event) -> None:
    """An effect that can be seen."""
    await storage.metrics.count(connection, "orders_created")


async def come_back(database: Database, wanted: dict[str, str]) -> dict[str, list[int]]:
    """Record every event as the bridge does; returns what each consumer has to do."""
    await scenario.record(database, await scenario.events(database), wanted=wanted)
    return {name: await consumption_rows.pending(database, name) for name in wanted}


async def one_due(database: Database) -> int:
    """Place an order; returns what a consumer has to do with its event."""
    await scenario.place(database)
    return (await come_back(database, {"count_event": "*"}))["count_event"][0]

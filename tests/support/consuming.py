"""One consumer's way with an event, step by step, on the real database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from orderbus import services, storage
from orderbus.domain.events import Event
from orderbus.services.consumptions import Work
from orderbus.settings import load
from orderbus.storage.database import Connection, Database
from tests.support import scenario

Effect = Callable[[Connection, Event], Awaitable[None]]


async def consume(database: Database, due: int, effect: Effect, **more: Any) -> bool:
    """Let a consumer of this effect have one event."""
    settings = load(_env_file=None, secret_key="a key for tests")
    held = scenario.resources(database, settings)
    return await services.consumptions.consume(held, "count_event", due, Work(effect, **more))


async def count(connection: Connection, _: Event) -> None:
    """An effect that can be seen."""
    await storage.metrics.count(connection, "orders_created")


async def come_back(database: Database, wanted: dict[str, str]) -> dict[str, list[int]]:
    """Record every event as the bridge does; returns what each consumer has to do."""
    _, due = await scenario.record(database, await scenario.events(database), wanted=wanted)
    return {name: list(ids) for name, ids in due.consumptions.items()}


async def one_due(database: Database) -> int:
    """Place an order; returns what a consumer has to do with its event."""
    await scenario.place(database)
    return (await come_back(database, {"count_event": "*"}))["count_event"][0]

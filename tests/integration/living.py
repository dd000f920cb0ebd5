"""Everything that happens to orders by itself, without the queues in between."""

from __future__ import annotations

from typing import Any

from orderbus import actors, services
from orderbus.resources import Resources
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.integration import steps


def resources(database: Database, settings: Settings) -> Resources:
    nobody: Any = None
    return Resources(settings, database, publisher=nobody, http=nobody)


async def consume(database: Database, settings: Settings, name: str, one: int) -> None:
    """Let one consumer have one event."""
    known = {consumer.name: consumer for consumer in actors.consumers.installed(settings)}
    held = resources(database, settings)
    await services.consumptions.consume(held, name, one, known[name].work)


async def go_on(database: Database, settings: Settings) -> None:
    """Bring every event back and let every consumer have it, until nothing new happens."""
    wanted = {each.name: each.pattern for each in actors.consumers.installed(settings)}
    while True:
        new, due = await steps.record(database, await steps.events(database), wanted=wanted)
        for name, ids in due.consumptions.items():
            for one in ids:
                await consume(database, settings, name, one)
        if not new:
            return

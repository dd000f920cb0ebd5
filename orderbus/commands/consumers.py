"""``orderbus consumers``: who consumes events, and how far each is."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

import click

from orderbus import actors, storage
from orderbus.commands import terminal
from orderbus.errors import Conflict
from orderbus.settings import Settings
from orderbus.storage.consumptions import ConsumerBacklog
from orderbus.storage.database import Database

#: Events one statement forgets at most.
_AT_MOST: Final = 2_000


@click.group()
def consumers() -> None:
    """Look at the consumers of events."""


@consumers.command("list")
@terminal.as_json
@terminal.with_database
async def list_consumers(settings: Settings, database: Database, *, as_json: bool) -> None:
    """List the consumers, the events each wants, and what is pending, done and dead.

    One without a pattern has work and no code here.
    """
    patterns = {each.name: each.pattern for each in actors.consumers.installed(settings)}
    async with database.connection() as connection:
        backlogs = await storage.consumptions.list_by_consumer(connection)
    counted = {each.consumer: each for each in backlogs}
    rows = [
        {
            "consumer": name,
            "wants": patterns.get(name),
            **asdict(counted.get(name) or ConsumerBacklog(name)),
        }
        for name in sorted({*patterns, *counted})
    ]
    terminal.show_rows(rows, as_json=as_json, empty="No consumers.")


@consumers.command()
@click.argument("name")
@terminal.as_json
@terminal.with_database
async def forget(settings: Settings, database: Database, *, name: str, as_json: bool) -> None:
    """Let go of what a consumer still has to do whose code is gone for good."""
    if name in {each.name for each in actors.consumers.installed(settings)}:
        message = f"{name} has its code here: stop its queue instead, or remove the code first"
        raise Conflict(message)
    forgotten = 0
    async with database.connection() as connection:
        while step := await storage.consumptions.forget(connection, name, at_most=_AT_MOST):
            forgotten += step
    if as_json:
        terminal.show({"consumer": name, "forgotten": forgotten})
        return
    terminal.say(f"{forgotten} events will not be consumed by {name}")

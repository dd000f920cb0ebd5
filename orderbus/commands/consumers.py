"""``orderbus consumers``: who consumes events, and how far each is."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

import click

from orderbus import actors, storage
from orderbus.commands import terminal
from orderbus.errors import Conflict

#: Events one statement forgets at most.
_AT_MOST: Final = 2_000


@click.group()
def consumers() -> None:
    """Look at the consumers of events."""


@consumers.command("list")
@terminal.with_database
async def list_consumers(run: terminal.Run) -> None:
    """List the consumers, the events each wants, and what is pending, done and dead.

    One without a pattern has work and no code here.
    """
    patterns = {each.name: each.pattern for each in actors.consumers.installed(run.settings)}
    backlogs = await run.database.ask(storage.consumptions.list_by_consumer)
    counted = {each.consumer: each for each in backlogs}
    rows = [
        {
            "consumer": name,
            "wants": patterns.get(name),
            **asdict(counted.get(name) or storage.consumptions.ConsumerBacklog(name)),
        }
        for name in sorted({*patterns, *counted})
    ]
    terminal.show_rows(rows, as_json=run.as_json, empty="No consumers.")


@consumers.command()
@click.argument("name")
@terminal.with_database
async def forget(run: terminal.Run, *, name: str) -> None:
    """Let go of what a consumer still has to do whose code is gone for good."""
    if name in {each.name for each in actors.consumers.installed(run.settings)}:
        raise Conflict(f"{name} has its code here: stop its queue, or remove the code first")
    forgotten = 0
    while step := await run.database.ask(storage.consumptions.forget, name, at_most=_AT_MOST):
        forgotten += step
    run.answer(
        {"consumer": name, "forgotten": forgotten},
        f"{forgotten} events will not be consumed by {name}",
    )

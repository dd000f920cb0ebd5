"""``orderbus conflicts``: what else came under the references of orders."""

from __future__ import annotations

from datetime import datetime

import click

from orderbus import storage
from orderbus.commands import terminal
from orderbus.commands.moments import moment


@click.group()
def conflicts() -> None:
    """Show what else came under the references of orders."""


@conflicts.command("list")
@click.option("--since", type=moment, help="Came since, the last time: a moment, or 2h, 7d.")
@click.option("--until", type=moment, help="Came before; the last_at shown last goes on there.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000))
@terminal.with_database
async def list_conflicts(
    run: terminal.Run, *, since: datetime | None, until: datetime | None, limit: int
) -> None:
    """List conflicts, the newest first: the order that was kept, and what its sender was told."""
    found = await run.database.ask(
        storage.conflicts.list_newest, since=since, until=until, at_most=limit
    )
    terminal.show_rows(found, as_json=run.as_json, empty="No other content came for any order.")

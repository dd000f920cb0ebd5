"""``orderbus outbox``: what waits at each hop."""

from __future__ import annotations

from dataclasses import asdict

import click

from orderbus import storage, telemetry
from orderbus.commands import terminal
from orderbus.settings import Settings
from orderbus.storage.database import Database


@click.group()
def outbox() -> None:
    """Look at what waits on its way."""


@outbox.command()
@terminal.as_json
@terminal.with_database
async def status(_: Settings, database: Database, *, as_json: bool) -> None:
    """Show what waits at each hop, and since when."""
    async with database.connection() as connection:
        backlog = asdict(await storage.diagnostics.backlog(connection))
    if as_json:
        terminal.show(backlog)
        return
    rows = [
        {"what": field, "now": round(backlog[field], 1), "meaning": sentence}
        for field, _, sentence in telemetry.BACKLOG
    ]
    terminal.show_rows(rows, as_json=False, empty="")

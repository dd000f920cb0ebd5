"""``orderbus outbox``: what waits at each hop."""

from __future__ import annotations

from dataclasses import asdict

import click

from orderbus import storage, telemetry
from orderbus.commands import terminal


@click.group()
def outbox() -> None:
    """Look at what waits on its way."""


@outbox.command()
@terminal.with_database
async def status(run: terminal.Run) -> None:
    """Show what waits at each hop, and since when."""
    backlog = asdict(await run.database.ask(storage.diagnostics.backlog))
    if run.as_json:
        terminal.show(backlog)
        return
    rows = [
        {"what": field, "now": round(backlog[field], 1), "meaning": sentence}
        for field, _, sentence in telemetry.BACKLOG
    ]
    terminal.show_rows(rows, as_json=False, empty="")

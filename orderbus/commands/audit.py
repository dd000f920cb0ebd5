"""``orderbus audit``: who did what."""

from __future__ import annotations

from datetime import datetime

import click

from orderbus import storage
from orderbus.commands import terminal
from orderbus.commands.moments import moment


@click.group()
def audit() -> None:
    """Show who did what, and why."""


@audit.command("list")
@click.option("--actor", help='Only what they did: "command:NAME", or "key ID NAME".')
@click.option("--subject", help="Only what was done to it: the id of an endpoint, a job, ...")
@click.option("--since", type=moment, help="From when on: a moment, or 2h, 7d.")
@click.option("--before", type=terminal.NUMBER, help="Go on behind this entry, by its id.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000))
@terminal.with_database
async def list_entries(
    run: terminal.Run,
    *,
    actor: str | None,
    subject: str | None,
    since: datetime | None,
    before: int | None,
    limit: int,
) -> None:
    """List what was done, the newest first; nothing in it could be used as a secret."""
    found = await run.database.ask(
        storage.audit.list_newest,
        actor=actor,
        subject=subject,
        since=since,
        before=before,
        at_most=limit,
    )
    terminal.show_rows(found, as_json=run.as_json, empty="The audit trail has nothing of it.")

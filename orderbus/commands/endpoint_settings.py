"""``orderbus endpoints set-...``: an endpoint is changed."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Final
from uuid import UUID

import click

from orderbus import services, storage
from orderbus.commands import terminal
from orderbus.domain import own_headers, webhooks

if TYPE_CHECKING:
    from orderbus.services.endpoints import Changes

ENDPOINT: Final = click.argument("endpoint_id", type=click.UUID, metavar="ID")
REASON: Final = click.option("--reason", help="Why, for the audit trail (`orderbus audit list`).")
FORMAT: Final = click.Choice([str(known) for known in webhooks.Format])


async def check_address(run: terminal.Run, url: str) -> None:
    """Refuse an address that no webhook may be sent to, and warn of one that has none now."""
    warning = await services.endpoint_tests.check_address(run.settings, url)
    if warning:
        terminal.say(f"warning: {warning}", err=True)


@click.command("set-url")
@ENDPOINT
@click.argument("url")
@REASON
@terminal.with_database
async def set_url(run: terminal.Run, *, endpoint_id: UUID, url: str, reason: str | None) -> None:
    """Send an endpoint's webhooks to URL from now on, what it is owed already included.

    What waits for a later try is due now.
    """
    await check_address(run, url)
    await _change(run, endpoint_id, services.endpoints.Changes(url=url), reason)


@click.command("set-events")
@ENDPOINT
@click.argument("events", nargs=-1, required=True)
@REASON
@terminal.with_database
async def set_events(
    run: terminal.Run, *, endpoint_id: UUID, events: tuple[str, ...], reason: str | None
) -> None:
    """Tell an endpoint of EVENTS (order.created, order.*, ...) that happen from now on.

    What it is owed already it still gets.
    """
    await _change(run, endpoint_id, services.endpoints.Changes(events=events), reason)


@click.command("set-format")
@ENDPOINT
@click.argument("body_format", type=FORMAT, metavar="FORMAT")
@REASON
@terminal.with_database
async def set_format(
    run: terminal.Run, *, endpoint_id: UUID, body_format: str, reason: str | None
) -> None:
    """Write an endpoint's webhooks in FORMAT from now on: event, compact or source1."""
    await _change(run, endpoint_id, services.endpoints.Changes(format=body_format), reason)


@click.command("set-headers")
@ENDPOINT
@click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="Send this one.")
@click.option("--drop", multiple=True, metavar="NAME", help="Send this one no more.")
@REASON
@terminal.with_database
async def set_headers(
    run: terminal.Run,
    *,
    endpoint_id: UUID,
    headers: tuple[str, ...],
    drop: tuple[str, ...],
    reason: str | None,
) -> None:
    """Give an endpoint headers of its own, or take some away; those not named stay."""
    changes = dict.fromkeys(drop) | own_headers.parse(headers)
    if not changes:
        raise click.UsageError("Say what to change: --header 'NAME: VALUE', or --drop NAME.")
    await _change(run, endpoint_id, services.endpoints.Changes(headers=changes), reason)


@click.command("set-trace")
@ENDPOINT
@click.argument("trace", type=click.Choice(["on", "off"]), metavar="on|off")
@REASON
@terminal.with_database
async def set_trace(
    run: terminal.Run, *, endpoint_id: UUID, trace: str, reason: str | None
) -> None:
    """Send traceparent to an endpoint, or not."""
    await _change(run, endpoint_id, services.endpoints.Changes(trace=trace == "on"), reason)


async def _change(
    run: terminal.Run, endpoint_id: UUID, changes: Changes, reason: str | None
) -> None:
    async with run.database.transaction() as connection:
        await services.endpoints.change(
            connection, endpoint_id, changes, actor=run.actor, reason=reason
        )
    await services.owed.release(run.database)
    shown = await run.database.ask(storage.endpoint_lists.get, endpoint_id)
    lines = [f"{name:17} {terminal.cell(value)}" for name, value in asdict(shown).items()]
    run.answer(asdict(shown), *lines)


COMMANDS: Final = (set_url, set_events, set_format, set_headers, set_trace)

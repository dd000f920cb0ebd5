"""``orderbus endpoints``: who is told, and where."""

from __future__ import annotations

from uuid import UUID

import click

from orderbus import services, storage
from orderbus.commands import terminal
from orderbus.domain import webhooks
from orderbus.domain.events import check_pattern


@click.group()
def endpoints() -> None:
    """Add, list, enable and remove the endpoints that receive webhooks."""


@endpoints.command()
@click.argument("url")
@click.option(
    "--format",
    "body_format",
    type=click.Choice([str(known) for known in webhooks.Format]),
    default="event",
    show_default=True,
    help="event: id, type, sequence, time and the whole order; compact: five members.",
)
@click.option("--secret", help="whsec_... to sign with; made up when not given.")
@click.option(
    "--events",
    multiple=True,
    default=("order.*",),
    show_default=True,
    help="Types it wants, such as order.created or order.*; may be given more than once.",
)
@click.option("--unordered", is_flag=True, help="Do not wait for an order's earlier events.")
@terminal.with_database
async def add(
    run: terminal.Run,
    *,
    url: str,
    body_format: str,
    secret: str | None,
    events: tuple[str, ...],
    unordered: bool,
) -> None:
    """Tell URL of what it wants from now on; prints the secret its receiver verifies with."""
    webhooks.check_url(url)
    secret = secret or webhooks.new_secret()
    webhooks.check_secret(secret)
    for pattern in events:
        check_pattern(pattern)
    endpoint_id = await run.database.ask(
        storage.endpoints.add,
        url=url,
        secrets=[secret],
        format=body_format,
        ordering="none" if unordered else "order",
        events=events,
    )
    facts = {"id": endpoint_id, "url": url, "secret": secret}
    run.answer(facts, f"endpoint {endpoint_id}", f"secret   {secret}")


@endpoints.command("list")
@terminal.with_database
async def list_endpoints(run: terminal.Run) -> None:
    """List the endpoints and what each is owed."""
    rows = await run.database.ask(storage.endpoints.list_all)
    empty = "No endpoints. Add one: orderbus endpoints add URL"
    terminal.show_rows(rows, as_json=run.as_json, empty=empty)
    disabled = [row.id for row in rows if row.disabled_at is not None]
    if disabled and not run.as_json:
        terminal.say("Told nothing until you type one of these:")
        for endpoint_id in disabled:
            terminal.say(f"  orderbus endpoints enable {endpoint_id}")


@endpoints.command()
@click.argument("endpoint_id", type=click.UUID)
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000))
@terminal.with_database
async def owed(run: terminal.Run, *, endpoint_id: UUID, limit: int) -> None:
    """List what an endpoint is still owed, the next one first, and of which orders."""
    rows = await run.database.ask(storage.endpoints.list_owed, endpoint_id, at_most=limit)
    terminal.show_rows(rows, as_json=run.as_json, empty="Nothing is owed to this endpoint.")


@endpoints.command()
@click.argument("endpoint_id", type=click.UUID)
@terminal.with_database
async def secret(run: terminal.Run, *, endpoint_id: UUID) -> None:
    """Print the secret an endpoint's receiver verifies with."""
    found = await run.database.ask(storage.endpoints.get_secret, endpoint_id)
    run.answer({"id": endpoint_id, "secret": found}, found)


@endpoints.command()
@click.argument("endpoint_id", type=click.UUID)
@terminal.with_database
async def enable(run: terminal.Run, *, endpoint_id: UUID) -> None:
    """Tell a disabled endpoint again; what was held for it is due now."""
    released = await services.endpoints.enable(run.database, endpoint_id)
    facts = {"id": endpoint_id, "released": released}
    run.answer(facts, f"enabled; {released} held deliveries are due now")


@endpoints.command()
@click.argument("endpoint_id", type=click.UUID)
@terminal.with_database
async def remove(run: terminal.Run, *, endpoint_id: UUID) -> None:
    """Stop telling an endpoint; what it is still owed is skipped."""
    skipped = await services.endpoints.remove(run.database, endpoint_id)
    facts = {"id": endpoint_id, "skipped": skipped}
    run.answer(facts, f"removed; {skipped} open deliveries were skipped")

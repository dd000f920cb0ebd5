"""``orderbus endpoints``: who is told, and where."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import timedelta
from uuid import UUID

import click

from orderbus import services, storage
from orderbus.commands import endpoint_settings, terminal
from orderbus.commands.endpoint_settings import ENDPOINT, FORMAT, REASON
from orderbus.commands.moments import span
from orderbus.domain import own_headers


@click.group()
def endpoints() -> None:
    """Add, list, change, test, disable, enable and remove the endpoints that receive webhooks."""


@endpoints.command()
@click.argument("url")
@click.option(
    "--format",
    "body_format",
    type=FORMAT,
    default="event",
    show_default=True,
    help="event: id, type, sequence, time and the whole order; compact: five members; source1: "
    "order.created and order.processed as the order services that spoke over RabbitMQ wrote them.",
)
@click.option("--secret", help="whsec_... to sign with; made up when not given.")
@click.option(
    "--events",
    multiple=True,
    help="Types it wants, such as order.created or order.*; may be given more than once. "
    "Without it order.*, and both events of source1.",
)
@click.option("--unordered", is_flag=True, help="Do not wait for an order's earlier events.")
@click.option(
    "--header",
    "headers",
    multiple=True,
    metavar="'NAME: VALUE'",
    help="Sent with every webhook; may be given more than once. Later only its name is shown.",
)
@click.option("--trace", is_flag=True, help="Send traceparent, so that its traces go on from ours.")
@terminal.with_database
async def add(
    run: terminal.Run,
    *,
    url: str,
    body_format: str,
    secret: str | None,
    events: tuple[str, ...],
    unordered: bool,
    headers: tuple[str, ...],
    trace: bool,
) -> None:
    """Tell URL of what it wants from now on; prints the secret its receiver verifies with."""
    await endpoint_settings.check_address(run, url)
    new = services.endpoints.New(
        url,
        events=events,
        format=body_format,
        ordering="none" if unordered else "order",
        headers=own_headers.parse(headers),
        trace=trace,
        secret=secret,
    )
    async with run.database.transaction() as connection:
        made = await services.endpoints.add(connection, new, actor=run.actor)
    facts = {"id": made.id, "url": url, "secret": made.secret}
    run.answer(
        facts,
        f"endpoint {made.id}",
        f"secret   {made.secret}",
        f"See whether it takes webhooks: orderbus endpoints test {made.id}",
    )


@endpoints.command("list")
@terminal.with_database
async def list_endpoints(run: terminal.Run) -> None:
    """List the endpoints and what each is owed."""
    rows = await run.database.ask(storage.endpoint_lists.list_all)
    empty = "No endpoints. Add one: orderbus endpoints add URL"
    terminal.show_rows(rows, as_json=run.as_json, empty=empty)
    disabled = [row.id for row in rows if row.disabled_at is not None]
    if disabled and not run.as_json:
        terminal.say("Told nothing until you type one of these:")
        for endpoint_id in disabled:
            terminal.say(f"  orderbus endpoints enable {endpoint_id}")


@endpoints.command()
@ENDPOINT
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000))
@terminal.with_database
async def owed(run: terminal.Run, *, endpoint_id: UUID, limit: int) -> None:
    """List what an endpoint is still owed, the next one first, and of which orders."""
    rows = await run.database.ask(storage.endpoints.list_owed, endpoint_id, at_most=limit)
    terminal.show_rows(rows, as_json=run.as_json, empty="Nothing is owed to this endpoint.")


@endpoints.command()
@ENDPOINT
@terminal.with_database
async def secret(run: terminal.Run, *, endpoint_id: UUID) -> None:
    """Print the secret an endpoint's receiver verifies with."""
    found = await run.database.ask(storage.endpoints.get_secret, endpoint_id)
    run.answer({"id": endpoint_id, "secret": found}, found)


@endpoints.command("rotate-secret")
@ENDPOINT
@click.option(
    "--keep",
    type=span,
    default="24h",
    show_default=True,
    help="How long the old secret goes on signing beside the new one; 0 drops it at once.",
)
@click.option("--secret", help="whsec_... to sign with; made up when not given.")
@REASON
@terminal.with_database
async def rotate_secret(
    run: terminal.Run,
    *,
    endpoint_id: UUID,
    keep: timedelta,
    secret: str | None,
    reason: str | None,
) -> None:
    """Sign with a new secret, and for a while with the old one too; prints the new one.

    Give the receiver the new secret within that time: until then either verifies.
    """
    async with run.database.transaction() as connection:
        made = await services.endpoints.rotate_secret(
            connection,
            run.settings,
            endpoint_id,
            actor=run.actor,
            keep=keep,
            secret=secret,
            reason=reason,
        )
    facts = {"id": made.id, "secret": made.secret, "old_until": made.old_until}
    until = f"signs until {made.old_until:%Y-%m-%d %H:%M} UTC" if made.old_until else "is gone"
    run.answer(facts, f"secret {made.secret}", f"the old one {until}")


@endpoints.command()
@ENDPOINT
@terminal.with_database
async def test(run: terminal.Run, *, endpoint_id: UUID) -> None:
    """Send one signed sample (webhook.test) and say what the answer means; it is no delivery.

    Exits with 1 where a webhook answered so would not be delivered.
    """
    tested = await services.endpoint_tests.test(
        run.database, run.settings, endpoint_id, actor=run.actor
    )
    answer = tested.status if tested.error is None else f"{tested.error} ({tested.detail})"
    run.answer(
        asdict(tested),
        f"{tested.url} answered {answer} after {tested.seconds} s",
        f"meaning  {tested.meaning}",
        f"to do    {tested.todo}",
    )
    if not tested.delivered:
        sys.exit(1)


@endpoints.command()
@ENDPOINT
@REASON
@terminal.with_database
async def disable(run: terminal.Run, *, endpoint_id: UUID, reason: str | None) -> None:
    """Tell an endpoint nothing more until it is enabled; what it is owed is held."""
    async with run.database.transaction() as connection:
        held = await services.endpoints.disable(
            connection, endpoint_id, actor=run.actor, reason=reason
        )
    run.answer({"id": endpoint_id, "held": held}, f"disabled; {held} deliveries are held")


@endpoints.command()
@ENDPOINT
@REASON
@terminal.with_database
async def enable(run: terminal.Run, *, endpoint_id: UUID, reason: str | None) -> None:
    """Tell a disabled endpoint again; what was held for it is due now."""
    async with run.database.transaction() as connection:
        released = await services.endpoints.enable(
            connection, endpoint_id, actor=run.actor, reason=reason
        )
    await services.owed.release(run.database)
    facts = {"id": endpoint_id, "released": released}
    run.answer(facts, f"enabled; {released} held deliveries are due now")


@endpoints.command()
@ENDPOINT
@REASON
@terminal.with_database
async def remove(run: terminal.Run, *, endpoint_id: UUID, reason: str | None) -> None:
    """Stop telling an endpoint; what it is still owed is skipped."""
    async with run.database.transaction() as connection:
        skipped = await services.endpoints.remove(
            connection, endpoint_id, actor=run.actor, reason=reason
        )
    await services.owed.skip(run.database)
    facts = {"id": endpoint_id, "skipped": skipped}
    run.answer(facts, f"removed; {skipped} open deliveries were skipped")


for command in endpoint_settings.COMMANDS:
    endpoints.add_command(command)

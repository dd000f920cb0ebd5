"""``orderbus dead-letters``: what cannot go on, and the way back."""

from __future__ import annotations

import asyncio
from uuid import UUID

import click

from orderbus import storage
from orderbus.actors import broker
from orderbus.commands import terminal
from orderbus.errors import OrderbusError, Unavailable
from orderbus.pubsub.publisher import open_publisher
from orderbus.services import dead_letters as desk
from orderbus.settings import Settings
from orderbus.storage.database import Database

_KINDS = ("delivery", "outbox", "pubsub", "message", "consumption")


@click.group("dead-letters")
def dead_letters() -> None:
    """List, show, redrive and discard dead letters."""


@dead_letters.command("list")
@click.option("--kind", type=click.Choice(_KINDS))
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000))
@terminal.as_json
@terminal.with_database
async def list_letters(
    _: Settings, database: Database, *, kind: str | None, limit: int, as_json: bool
) -> None:
    """List the dead letters nobody has decided about, oldest first."""
    async with database.connection() as connection:
        rows = await storage.dead_letters.list_open(connection, kind=kind, at_most=limit)
    terminal.show_rows(
        terminal.named(rows, as_json=as_json), as_json=as_json, empty="No dead letters."
    )


@dead_letters.command()
@click.argument("letter", type=terminal.NUMBER, metavar="ID")
@terminal.as_json
@terminal.with_database
async def show(_: Settings, database: Database, *, letter: int, as_json: bool) -> None:
    """Show one dead letter whole, with its error and what it carried."""
    async with database.connection() as connection:
        found = await storage.dead_letters.get(connection, letter)
    (row,) = terminal.named([found], as_json=as_json)
    if row["data"] is not None:
        row["data"] = row["data"].decode("utf-8", "backslashreplace")
    if as_json:
        terminal.show(row)
        return
    for name, value in row.items():
        if value is not None:
            terminal.say(f"{name:12} {terminal.cell(value)}")


@dead_letters.command()
@click.argument("letters", type=terminal.NUMBER, nargs=-1, metavar="ID...")
@click.option("--all", "everything", is_flag=True, help="Every open dead letter.")
@click.option("--kind", type=click.Choice(_KINDS), help="With --all: only this kind.")
@terminal.as_json
@terminal.with_database
async def redrive(
    settings: Settings,
    database: Database,
    *,
    letters: tuple[int, ...],
    everything: bool,
    kind: str | None,
    as_json: bool,
) -> None:
    """Bring dead letters back on their way."""
    if everything == bool(letters):
        message = "Name the dead letters, or give --all."
        raise click.UsageError(message)
    if everything:
        async with database.connection() as connection:
            letters = tuple(await storage.dead_letters.list_open_ids(connection, kind=kind))
    done, refused, held = [], [], {}
    for letter in letters:
        try:
            if endpoint_id := await _redrive(settings, database, letter):
                held[letter] = endpoint_id
        except Unavailable:
            raise
        except OrderbusError as error:
            refused.append({"id": letter, "error": str(error)})
        else:
            done.append(letter)
    _report(done, refused, held, as_json=as_json)


def _report(
    done: list[int], refused: list[dict[str, object]], held: dict[int, UUID], *, as_json: bool
) -> None:
    if as_json:
        terminal.show({"redriven": done, "refused": refused, "held": sorted(held)})
    else:
        terminal.say(f"{len(done)} redriven")
        for endpoint_id in sorted(set(held.values())):
            count = sum(by == endpoint_id for by in held.values())
            terminal.say(f"{count} held until you type: orderbus endpoints enable {endpoint_id}")
        for refusal in refused:
            terminal.say(f"{refusal['id']} not redriven: {refusal['error']}", err=True)
    if refused:
        raise SystemExit(1)


async def _redrive(settings: Settings, database: Database, letter: int) -> UUID | None:
    """Redrive one dead letter; returns the endpoint that is disabled where that holds it still."""
    async with database.transaction() as connection:
        owed = await desk.redrive(connection, letter)
        if owed.message is not None:
            await broker.enqueue_message(owed.message.actor, owed.message.arguments)
        if owed.publication is not None:
            async with open_publisher(settings) as publisher:
                (answer,) = await publisher.publish(
                    [owed.publication], deadline=settings.publish_timeout
                )
            if isinstance(answer, OrderbusError):
                raise answer
    if owed.held_by is None:
        await _enqueue(owed.deliveries)
    return owed.held_by


@dead_letters.command()
@click.argument("letter", type=terminal.NUMBER, metavar="ID")
@click.option("--note", required=True, help="Why it may stay dead; kept with it.")
@terminal.as_json
@terminal.with_database
async def discard(
    _: Settings, database: Database, *, letter: int, note: str, as_json: bool
) -> None:
    """Decide that a dead letter stays dead.

    An event that could not be published is passed over: its order's later events may go.
    """
    await _enqueue(await desk.discard(database, letter, note=note))
    if as_json:
        terminal.show({"discarded": letter})
        return
    terminal.say(f"{letter} discarded")


async def _enqueue(deliveries: list[int] | tuple[int, ...]) -> None:
    """Hurry what may go; where RabbitMQ is away, the beat does it."""
    if deliveries:
        try:
            async with asyncio.timeout(5):
                await broker.enqueue_deliveries(deliveries)
        except (Unavailable, TimeoutError):
            terminal.say(
                "RabbitMQ took no wake-up message: it goes on when the dispatcher looks next",
                err=True,
            )

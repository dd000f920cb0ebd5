"""``orderbus dead-letters``: what cannot go on, and the way back."""

from __future__ import annotations

import asyncio
import functools
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from orderbus import storage
from orderbus.actors import broker
from orderbus.commands import terminal
from orderbus.commands.moments import moment
from orderbus.domain.letters import KINDS, Filter
from orderbus.errors import Misconfigured, NotFound, OrderbusError, Poisoned, Refused, Unavailable
from orderbus.pubsub import publisher as pubsub
from orderbus.services import dead_letters as desk

if TYPE_CHECKING:
    from orderbus.storage.letter_lists import OpenLetter

_FILTERS = (
    click.option("--kind", type=click.Choice(KINDS)),
    click.option("--endpoint", "endpoint_id", type=click.UUID, help="Deliveries to this endpoint."),
    click.option("--order", help="Of this order: our uuid, or the sender's reference."),
    click.option("--subject", help="An actor, a consumer or a type of event."),
    click.option("--reason", help="The short word, such as retries_exhausted."),
    click.option("--error", help="As `dead-letters groups` shows it."),
    click.option(
        "--since", "created_at__gte", type=moment, help="From when on: a moment, or 2h, 7d."
    ),
    click.option("--until", "created_at__lt", type=moment, help="Until when."),
)


def _filtered(command: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Give a command the options that say which letters, as one ``Filter`` named ``wanted``."""

    @functools.wraps(command)
    async def filtered(run: terminal.Run, **given: Any) -> None:  # noqa: ANN401 - what click read
        named = {field.name: given.pop(field.name, None) for field in fields(Filter)}
        await command(run, wanted=Filter(**named), **given)

    for option in reversed(_FILTERS):
        filtered = option(filtered)
    return filtered


@click.group("dead-letters")
def dead_letters() -> None:
    """List, show, redrive and discard dead letters."""


@dead_letters.command("list")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000))
@terminal.with_database
@_filtered
async def list_letters(run: terminal.Run, *, wanted: Filter, limit: int) -> None:
    """List the dead letters nobody has decided about, oldest first."""
    letters: list[OpenLetter] = []
    after: int | None = 0
    while after is not None and len(letters) < limit:
        page = await desk.list_open(run.database, wanted, after=after, at_most=limit - len(letters))
        letters += page.letters
        after = page.next_after
    terminal.show_rows(letters, as_json=run.as_json, empty="No dead letters.")


@dead_letters.command()
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1_000))
@terminal.with_database
@_filtered
async def groups(run: terminal.Run, *, wanted: Filter, limit: int) -> None:
    """Group them by subject, endpoint and error, the largest groups first.

    Ids and long numbers in errors are shown as #. An example stands for its group:
    `orderbus dead-letters redrive --like EXAMPLE`. Counts stop at the oldest 100,000.
    """
    found = await desk.group(run.database, wanted, at_most=limit)
    terminal.show_rows(found.groups, as_json=run.as_json, empty="No dead letters.")
    if not (found.is_complete or run.as_json):
        terminal.say("There are more: give --limit, or a filter such as --kind", err=True)


@dead_letters.command()
@click.argument("letter", type=terminal.NUMBER, metavar="ID")
@terminal.with_database
async def show(run: terminal.Run, *, letter: int) -> None:
    """Show one dead letter whole, with its error and what it carried."""
    found = await run.database.ask(storage.dead_letters.get, letter)
    row = dict(terminal.named(found, as_json=run.as_json))
    if row["data"] is not None:
        row["data"] = row["data"].decode("utf-8", "backslashreplace")
    shown = [(name, terminal.cell(value)) for name, value in row.items() if value is not None]
    run.answer(row, *(f"{name:12} {value}" for name, value in shown))


@dead_letters.command()
@click.argument("letters", type=terminal.NUMBER, nargs=-1, metavar="ID...")
@click.option("--all", "everything", is_flag=True, help="Every open dead letter.")
@click.option("--kind", type=click.Choice(KINDS), help="With --all: only this kind.")
@terminal.with_database
async def redrive(
    run: terminal.Run, *, letters: tuple[int, ...], everything: bool, kind: str | None
) -> None:
    """Bring dead letters back on their way."""
    if everything == bool(letters):
        raise click.UsageError("Give either the IDs of dead letters, or --all.")
    if everything:
        letters = await _every(run, Filter(kind=kind))
    done, refused, held = [], [], {}
    for letter in letters:
        try:
            if endpoint_id := await _redrive(run, letter):
                held[letter] = endpoint_id
        except (Refused, Poisoned, Misconfigured) as error:
            if not (everything and isinstance(error, NotFound)):  # else another decides about it
                refused.append({"id": letter, "error": str(error)})
        else:
            done.append(letter)
    _report(run, done, refused, held)


async def _every(run: terminal.Run, wanted: Filter) -> tuple[int, ...]:
    ids: list[int] = []
    after: int | None = 0
    while after is not None:
        page = await desk.list_open(run.database, wanted, after=after, at_most=10_000)
        ids += [letter.id for letter in page.letters]
        after = page.next_after
    return tuple(ids)


def _report(
    run: terminal.Run, done: list[int], refused: list[dict[str, object]], held: dict[int, UUID]
) -> None:
    run.answer(
        {"redriven": done, "refused": refused, "held": sorted(held)},
        f"{len(done)} redriven",
        *(
            f"{count} held until you type: orderbus endpoints enable {endpoint_id}"
            for endpoint_id, count in sorted(Counter(held.values()).items())
        ),
    )
    for refusal in () if run.as_json else refused:
        terminal.say(f"{refusal['id']} not redriven: {refusal['error']}", err=True)
    if refused:
        raise SystemExit(1)


async def _redrive(run: terminal.Run, letter: int) -> UUID | None:
    """Redrive one dead letter; returns the endpoint that is disabled where that holds it still."""
    async with run.database.transaction() as connection:
        owed = await desk.redrive(connection, letter)
        if owed.message is not None:
            await broker.enqueue_message(*owed.message)
        if owed.publication is not None:
            async with pubsub.open_publisher(run.settings) as publisher:
                (answer,) = await publisher.publish(
                    [owed.publication], deadline=run.settings.publish_timeout
                )
            if isinstance(answer, OrderbusError):
                raise answer
    await _wake_up(owed.deliveries)
    return owed.held_by


@dead_letters.command()
@click.argument("letter", type=terminal.NUMBER, metavar="ID")
@click.option("--note", required=True, help="Why it may stay dead; kept with it.")
@terminal.with_database
async def discard(run: terminal.Run, *, letter: int, note: str) -> None:
    """Decide that a dead letter stays dead.

    An event that could not be published is passed over: its order's later events may go.
    """
    await _wake_up(len(await desk.discard(run.database, letter, note=note)))
    run.answer({"discarded": letter}, f"{letter} discarded")


async def _wake_up(deliveries: int) -> None:
    """Hurry what may go; where RabbitMQ is away, workers find it by themselves."""
    if deliveries:
        try:
            async with asyncio.timeout(5):
                await broker.wake_up({"deliver_webhook": deliveries})
        except (Unavailable, TimeoutError):
            terminal.say(
                "RabbitMQ took no wake-up message: it goes on when the dispatcher looks next",
                err=True,
            )

"""``orderbus dead-letters``: what cannot go on, and the way back."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

import click

from orderbus import services, storage
from orderbus.actors import broker
from orderbus.commands import jobs, terminal
from orderbus.commands.letter_options import Asked, filtered, some_or_many
from orderbus.domain.letters import Filter
from orderbus.errors import Misconfigured, Poisoned, Refused, Unavailable
from orderbus.services import dead_letters as desk

if TYPE_CHECKING:
    from orderbus.services.letter_jobs import Letters
    from orderbus.storage.letter_views import OpenLetter


@click.group("dead-letters")
def dead_letters() -> None:
    """List, show, redrive and discard dead letters."""


@dead_letters.command("list")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000))
@terminal.with_database
@filtered
async def list_letters(run: terminal.Run, *, wanted: Filter, limit: int) -> None:
    """List the dead letters nobody has decided about, oldest first."""
    letters: list[OpenLetter] = []
    after: int | None = 0
    while after is not None and len(letters) < limit:
        page = await services.letter_lists.list_open(
            run.database, wanted, after=after, at_most=limit - len(letters)
        )
        letters += page.letters
        after = page.next_after
    terminal.show_rows(letters, as_json=run.as_json, empty="No dead letters.")


@dead_letters.command()
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1_000))
@terminal.with_database
@filtered
async def groups(run: terminal.Run, *, wanted: Filter, limit: int) -> None:
    """Group them by subject, endpoint and error, the largest groups first.

    Ids and long numbers in errors are shown as #. An example stands for its group:
    `orderbus dead-letters redrive --like EXAMPLE`. Counts stop at the oldest 100,000.
    """
    found = await services.letter_lists.group(run.database, wanted, at_most=limit)
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
@terminal.with_database
@some_or_many
async def redrive(run: terminal.Run, *, which: Asked) -> None:
    """Bring dead letters back on their way, the oldest first.

    With --all, --like or a filter it is a job: workers go on where this is stopped.
    """
    if not which.letters:
        wanted = services.letter_jobs.read(services.letter_jobs.RedriveLetters, which.filter())
        await _do_many(run, "redrive_dead_letters", wanted, which, "redriven")
        return
    outside, held = jobs.outside(run), {}

    async def redrive(letter: int) -> None:
        async with run.database.transaction() as connection:
            owed = await desk.redrive(connection, letter, actor=run.actor)
            await desk.send(owed, outside)
        await _wake_up(owed.deliveries)
        if owed.held_by:
            held[letter] = owed.held_by

    done, refused = await _each(which.letters, redrive)
    _report(run, "redriven", done, refused, held)


@dead_letters.command()
@click.option("--note", "--why", required=True, help="Why they may stay dead; kept with each.")
@terminal.with_database
@some_or_many
async def discard(run: terminal.Run, *, which: Asked, note: str) -> None:
    """Decide that dead letters stay dead.

    An event that could not be published is passed over: its order's later events may go. With
    --all, --like or a filter it is a job: workers go on where this is stopped.
    """
    if not which.letters:
        given = {**which.filter(), "note": note}
        wanted = services.letter_jobs.read(services.letter_jobs.DiscardLetters, given)
        await _do_many(run, "discard_dead_letters", wanted, which, "discarded", why=note)
        return

    async def discard(letter: int) -> None:
        async with run.database.transaction() as connection:
            freed = await desk.discard(connection, letter, note=note, actor=run.actor)
        await _wake_up(len(freed))

    done, refused = await _each(which.letters, discard)
    _report(run, "discarded", done, refused, {})


async def _each(
    letters: Sequence[int], act: Callable[[int], Awaitable[None]]
) -> tuple[list[int], list[dict[str, object]]]:
    done, refused = [], []
    for letter in letters:
        try:
            await act(letter)
        except (Refused, Poisoned, Misconfigured) as error:
            refused.append({"id": letter, "error": str(error)})
        else:
            done.append(letter)
    return done, refused


def _report(
    run: terminal.Run,
    what: str,
    done: list[int],
    refused: list[dict[str, object]],
    held: dict[int, UUID],
) -> None:
    facts: dict[str, object] = {what: done, "refused": refused}
    run.answer(
        facts | ({"held": sorted(held)} if what == "redriven" else {}),
        f"{len(done)} {what}",
        *_held(Counter(held.values())),
    )
    _end(run, what, refused)


def _held(counts: Mapping[UUID, int]) -> list[str]:
    return [
        f"{count} held until you type: orderbus endpoints enable {endpoint_id}"
        for endpoint_id, count in sorted(counts.items())
    ]


def _end(run: terminal.Run, what: str, refused: Sequence[Mapping[str, object]]) -> None:
    for refusal in () if run.as_json else refused:
        terminal.say(f"{refusal['id']} not {what}: {refusal['error']}", err=True)
    if refused:
        raise SystemExit(1)


async def _do_many(
    run: terminal.Run,
    kind: str,
    wanted: Letters,
    which: Asked,
    what: str,
    *,
    why: str | None = None,
) -> None:
    if which.dry_run:
        counted = await jobs.plan(run, kind, wanted)
        answer = {"would_be_" + what: counted.total, "is_at_least": counted.is_at_least}
        run.answer(answer, f"{jobs.total(counted)} would be {what}")
        return
    job = await jobs.begin(run, kind, wanted, rate=which.rate, why=why)
    job = await jobs.work_on(run, job)
    refused = [{"id": int(each["subject"]), "error": each["reason"]} for each in job.refusals]
    about = {"job": job.id, "state": job.state, "total": job.total, "refused_count": job.refused}
    about["is_at_least"] = job.is_at_least
    held: list[str] = []
    if what == "redriven" and not run.as_json:
        endpoints = await run.database.ask(storage.endpoint_lists.list_all)
        held = _held({each.id: each.held for each in endpoints if each.held})
    run.answer(
        {**about, what: job.done, "refused": refused, "error": job.error},
        f"{job.done} of {jobs.total(job)} {what}, {job.refused} refused:"
        f" job {job.id} is {job.state}",
        *held,
    )
    _end(run, what, refused)
    if job.state == "failed":
        terminal.fail(str(job.error), code=1)


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

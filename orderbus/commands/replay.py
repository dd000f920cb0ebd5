"""``orderbus replay``: a consumer is given the past."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
from rich.progress import Progress

from orderbus import actors, services, storage
from orderbus.commands import terminal
from orderbus.commands.moments import moment
from orderbus.errors import NotFound

if TYPE_CHECKING:
    from orderbus.settings import Settings
    from orderbus.storage.replay import Chunk


@click.command()
@click.option("--consumer", required=True, help="Its name, as `orderbus consumers list` shows it.")
@click.option("--since", type=moment, required=True, help="From when on: a moment, or 2h, 7d.")
@click.option("--until", "before", type=moment, help="Until when; now if not given.")
@click.option(
    "--rate",
    type=click.IntRange(1, 100_000),
    default=500,
    show_default=True,
    help="Events a second, at most.",
)
@click.option("--dry-run", is_flag=True, help="Only count what would be given.")
@terminal.with_database
async def replay(
    run: terminal.Run,
    *,
    consumer: str,
    since: datetime,
    before: datetime | None,
    rate: int,
    dry_run: bool,
) -> None:
    """Give a consumer the events of the past, each once.

    It may be stopped and begun again: what was given already is passed over.
    """
    # Older days may be dropped while we read them.
    since = max(since, datetime.now(UTC) - run.settings.event_retention)
    pattern = _pattern(run.settings, consumer)
    past = storage.replay.Past(consumer, pattern, since, before or datetime.now(UTC))
    counted = await services.replay.count(run.database, past)
    report = {"consumer": consumer, "events": counted.events}
    if dry_run:
        report |= {"given": 0, "would_be_given": counted.added}
    else:
        chunks = services.replay.replay(run.database, past, rate=rate)
        report["given"] = await _give(chunks, f"events to {consumer}", total=counted.events)
    run.answer(report, *(f"{what.replace('_', ' ')}: {value}" for what, value in report.items()))


async def _give(chunks: AsyncIterator[Chunk], what: str, *, total: int) -> int:
    given = 0
    with Progress(console=terminal.errors) as progress:
        task = progress.add_task(what, total=total)
        async for chunk in chunks:
            given += chunk.added
            progress.advance(task, chunk.events)
    return given


def _pattern(settings: Settings, name: str) -> str:
    known = {each.name: each.pattern for each in actors.consumers.installed(settings)}
    if name not in known:
        names = ", ".join(sorted(known)) or "none (ORDERBUS_CONSUMERS names modules that have some)"
        raise NotFound(f"There is no consumer {name}; there are {names}")
    return known[name]

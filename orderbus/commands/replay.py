"""``orderbus replay``: a consumer is given the past."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from orderbus import actors, services
from orderbus.commands import terminal
from orderbus.errors import NotFound
from orderbus.settings import Settings
from orderbus.storage.database import Database

_AGO: Final = re.compile(r"([0-9]{1,6})([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Moment(click.ParamType[datetime]):
    """A moment: RFC 3339, or how long ago."""

    name = "moment"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Read it; a moment without a time zone is UTC."""
        if isinstance(value, datetime):
            return value
        text = str(value)
        if ago := _AGO.fullmatch(text):
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fail("give a moment such as 2026-01-02T03:04:05Z, or 2h, 7d", param, ctx)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


@click.command()
@click.option("--consumer", required=True, help="Its name, as `orderbus consumers list` shows it.")
@click.option("--since", type=Moment(), required=True, help="From when on: a moment, or 2h, 7d.")
@click.option("--until", "before", type=Moment(), help="Until when; now if not given.")
@click.option(
    "--rate",
    type=click.IntRange(1, 100_000),
    default=500,
    show_default=True,
    help="Events a second, at most.",
)
@click.option("--dry-run", is_flag=True, help="Only count what would be given.")
@terminal.as_json
@terminal.with_database
async def replay(
    settings: Settings,
    database: Database,
    *,
    consumer: str,
    since: datetime,
    before: datetime | None,
    rate: int,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Give a consumer the events of the past, each once.

    It may be stopped and begun again: what was given already is passed over.
    """
    pattern = _pattern(settings, consumer)
    # Older days may be dropped while we read them.
    since = max(since, datetime.now(UTC) - settings.event_retention)
    before = before or datetime.now(UTC)
    counted = await services.replay.count(
        database, consumer=consumer, pattern=pattern, since=since, before=before
    )
    report = {"consumer": consumer, "events": counted.events}
    if dry_run:
        report |= {"given": 0, "would_be_given": counted.added}
    else:
        report["given"] = await _give(
            database, consumer, pattern, since=since, before=before, rate=rate, total=counted.events
        )
    if as_json:
        terminal.show(report)
        return
    for what, value in report.items():
        terminal.say(f"{what.replace('_', ' ')}: {value}")


async def _give(
    database: Database,
    consumer: str,
    pattern: str,
    *,
    since: datetime,
    before: datetime,
    rate: int,
    total: int,
) -> int:
    given = 0
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=terminal.errors,
    ) as progress:
        task = progress.add_task(f"events to {consumer}", total=total)
        async for chunk in services.replay.replay(
            database, consumer=consumer, pattern=pattern, since=since, before=before, rate=rate
        ):
            given += chunk.added
            progress.advance(task, chunk.events)
    return given


def _pattern(settings: Settings, name: str) -> str:
    known = {each.name: each.pattern for each in actors.consumers.installed(settings)}
    if name not in known:
        message = f"No consumer {name}; there are {', '.join(sorted(known))}"
        raise NotFound(message)
    return known[name]

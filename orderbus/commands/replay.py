"""``orderbus replay``: a consumer is given the past."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from orderbus import actors, services
from orderbus.commands import jobs, terminal
from orderbus.commands.moments import moment
from orderbus.errors import NotFound

if TYPE_CHECKING:
    from orderbus.settings import Settings


@click.command()
@click.option("--consumer", required=True, help="Its name, as `orderbus consumers list` shows it.")
@click.option("--since", type=moment, required=True, help="From when on: a moment, or 2h, 7d.")
@click.option("--until", "before", type=moment, help="Until when; now if not given.")
@jobs.rate_option
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

    It is a job: the workers go on where this is stopped. What was given already is passed over.
    """
    pattern = _pattern(run.settings, consumer)
    wanted = services.replay.Replay(consumer=consumer, since=since, until=before, pattern=pattern)
    counted = await run.database.ask(
        services.replay.count_of, wanted, run.settings, patience=jobs.PATIENCE
    )
    events = sum(each.events for each in counted.pieces)
    report = {"consumer": consumer, "events": events, "is_at_least": counted.is_at_least}
    if dry_run:
        report |= {"given": 0, "would_be_given": sum(each.added for each in counted.pieces)}
    else:
        job = await jobs.begin(run, "replay", wanted, rate=rate)
        job = await jobs.work_on(run, job)
        report |= {"given": job.done, "job": job.id, "state": job.state}
    said = {name: value for name, value in report.items() if name != "is_at_least"}
    if counted.is_at_least:
        counts = {name: f"at least {said[name]}" for name in ("events", "would_be_given")}
        said |= {name: text for name, text in counts.items() if name in said}
    run.answer(report, *(f"{what.replace('_', ' ')}: {value}" for what, value in said.items()))


def _pattern(settings: Settings, name: str) -> str:
    known = {each.name: each.pattern for each in actors.consumers.installed(settings)}
    if name not in known:
        names = ", ".join(sorted(known)) or "none (ORDERBUS_CONSUMERS names modules that have some)"
        raise NotFound(f"There is no consumer {name}; there are {names}")
    return known[name]

"""``orderbus jobs``: what is done to many rows, how far it is, and how it is stopped.

Commands that touch many rows begin a job with ``begin`` and help it along with ``work_on``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import click
from rich.progress import Progress

from orderbus import actors, services, storage
from orderbus.commands import terminal
from orderbus.domain.jobs import HIGHEST_RATE, RATE, STATES, Action
from orderbus.domain.text import brief
from orderbus.errors import Invalid
from orderbus.pubsub import publisher as pubsub

if TYPE_CHECKING:
    from orderbus.errors import OrderbusError
    from orderbus.pubsub.messages import Message
    from orderbus.services.jobs import Plan
    from orderbus.services.kinds import Filter, Outside
    from orderbus.storage.jobs import Job

#: How long a command counts what it would begin with, before it says "at least".
PATIENCE: Final = timedelta(seconds=30)
#: Seconds between two looks at a job whose step is not due, or is another's.
_LOOK: Final = 0.2
_COLUMNS: Final = ("id", "kind", "state", "total", "done", "refused", "asked_by", "created_at")

Option = Callable[[Callable[..., Any]], Callable[..., Any]]

#: The option for whatever begins a job.
rate_option: Final[Option] = click.option(
    "--rate",
    type=click.IntRange(1, HIGHEST_RATE),
    default=RATE,
    show_default=True,
    help="Rows a second, at most.",
)


async def plan(run: terminal.Run, kind: str, wanted: Filter) -> Plan:
    """Count what a job would be about."""
    return await run.database.ask(services.jobs.plan, kind, wanted, run.settings, patience=PATIENCE)


def total(counted: Plan | Job) -> str:
    """Say how many rows fitted, or that they may be more."""
    return f"at least {counted.total}" if counted.is_at_least else str(counted.total)


async def begin(
    run: terminal.Run, kind: str, wanted: Filter, *, rate: int, why: str | None = None
) -> Job:
    """Count what fits, and begin a job that workers go on with from now on."""
    planned = await plan(run, kind, wanted)
    async with run.database.transaction() as connection:
        return await services.jobs.begin(
            connection, planned, rate=rate, asked_by=run.actor, why=why
        )


async def work_on(run: terminal.Run, job: Job) -> Job:
    """Take the steps of a job beside the workers, and show how far it is, until it stops."""
    given = outside(run)
    return await _watch(run, job, lambda: _step(run, job.id, given))


def outside(run: terminal.Run) -> Outside:
    """Hand out what a command sends to, as workers have it."""
    return actors.jobs.outside(run.settings, _publish(run))


async def _step(run: terminal.Run, job_id: int, outside: Outside) -> Job | None:
    return await services.jobs.step(run.database, outside, job_id=job_id)


async def _watch(run: terminal.Run, job: Job, advance: Callable[[], Awaitable[Job | None]]) -> Job:
    """Show how far a job is until it stops; ``advance`` may take a step of it."""
    error = None
    try:
        with Progress(console=terminal.errors) as progress:
            task = progress.add_task(_named(job), total=job.total)
            while job.state == "running":
                if (advanced := await advance()) is None:
                    await asyncio.sleep(_LOOK)
                    advanced = await run.database.ask(storage.jobs.get, job.id)
                job = advanced
                seen = job.done + job.refused
                progress.update(task, completed=seen, total=max(job.total, seen))
                if job.error and job.error != error:
                    terminal.say(job.error, err=True)
                error = job.error
    except asyncio.CancelledError:
        message = f"The workers go on. How far it is: orderbus jobs show {job.id} --follow"
        terminal.say(message, err=True)
        raise
    return job


def _named(job: Job) -> str:
    return f"job {job.id}: {job.kind}" + (f" of {total(job)}" if job.is_at_least else "")


def _publish(
    run: terminal.Run,
) -> Callable[[Sequence[Message]], Awaitable[Sequence[str | OrderbusError]]]:
    async def publish(messages: Sequence[Message]) -> Sequence[str | OrderbusError]:
        async with pubsub.open_publisher(run.settings) as publisher:
            return await publisher.publish(messages, deadline=run.settings.publish_timeout)

    return publish


@click.group()
def jobs() -> None:
    """Watch, pause, resume and cancel what is done to many rows."""


@jobs.command("list")
@click.option("--state", type=click.Choice(STATES))
@click.option("--kind", metavar="KIND", help="As replay.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000))
@terminal.with_database
async def list_jobs(run: terminal.Run, *, state: str | None, kind: str | None, limit: int) -> None:
    """List jobs, the newest first."""
    if kind is not None and kind not in services.jobs.KINDS:
        raise Invalid(f"--kind is {brief(kind)}: give one of {', '.join(services.jobs.KINDS)}")
    found = await run.database.ask(storage.jobs.list_newest, state=state, kind=kind, at_most=limit)
    written = [asdict(job) for job in found]
    if not run.as_json:
        written = [
            {name: job[name] for name in _COLUMNS} | {"total": total(each)}
            for each, job in zip(found, written, strict=True)
        ]
    terminal.show_rows(written, as_json=run.as_json, empty="No jobs.")


@jobs.command()
@click.argument("job_id", type=terminal.NUMBER, metavar="ID")
@click.option("--follow", is_flag=True, help="Watch it until it stops.")
@terminal.with_database
async def show(run: terminal.Run, *, job_id: int, follow: bool) -> None:
    """Show a job: how far it is, and what it refused and why."""
    job = await run.database.ask(storage.jobs.get, job_id)
    if follow:
        job = await _watch(run, job, _only_look)
    answer(run, job)


async def _only_look() -> None:
    """Leave the steps to the workers."""


def answer(run: terminal.Run, job: Job) -> None:
    """Print a job."""
    shown = {name: value for name, value in asdict(job).items() if value is not None}
    shown["total"] = total(job)
    del shown["is_at_least"]
    refusals = shown.pop("refusals")
    run.answer(
        asdict(job),
        *(f"{name:12} {terminal.cell(value)}" for name, value in shown.items()),
        *(f"refused      {each['subject']}: {each['reason']}" for each in refusals),
    )


def _move(action: Action, sentence: str) -> click.Command:
    @jobs.command(action, help=sentence)
    @click.argument("job_id", type=terminal.NUMBER, metavar="ID")
    @click.option("--reason", help="Why; kept in the audit trail.")
    @terminal.with_database
    async def move(run: terminal.Run, *, job_id: int, reason: str | None) -> None:
        async with run.database.transaction() as connection:
            job = await services.jobs.move(
                connection, job_id, action, asked_by=run.actor, why=reason
            )
        run.answer(asdict(job), f"job {job.id} is {job.state}: {job.done} of {total(job)} done")

    return move


pause: Final = _move("pause", "Stop a job between two of its steps, until it is resumed.")
resume: Final = _move("resume", "Let a job that is paused or failed go on where it was.")
cancel: Final = _move("cancel", "Stop a job for good; what was done stays done.")

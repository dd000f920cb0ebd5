"""Jobs: counted first, then done a step at a time, at a rate, by whoever works.

A step is one short transaction: effect, cursor and counts are committed together, so whoever is
killed leaves nothing half done, and no two do the same. No lease is needed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from orderbus import storage, telemetry
from orderbus.domain.jobs import AT_MOST, MOVES, Action
from orderbus.domain.retries import STEP_OF_JOB
from orderbus.errors import Busy, Conflict, Misconfigured, Unavailable
from orderbus.services import delivery_jobs, letter_jobs, replay, stock_imports
from orderbus.services.kinds import Filter, Kind, Outside, counted, reason
from orderbus.settings import Settings
from orderbus.storage.database import Connection, Database, after_commit, our_errors
from orderbus.storage.job_lines import JobLine
from orderbus.storage.jobs import Job, NewJob, Step, Taken

#: Every kind of job there is, by its name.
KINDS: Final[Mapping[str, Kind[Any]]] = {
    kind.name: kind
    for kind in (
        replay.REPLAY,
        delivery_jobs.RETRY,
        delivery_jobs.SKIP,
        delivery_jobs.RESEND,
        letter_jobs.REDRIVE,
        letter_jobs.DISCARD,
        stock_imports.IMPORT,
    )
}
#: What the audit trail says of each action.
_DONE: Final[Mapping[Action, str]] = {
    "pause": "paused",
    "resume": "resumed",
    "cancel": "cancelled",
}
#: How long rows are counted before a job begins: a request has to end, however many they are.
PATIENCE: Final = timedelta(seconds=5)
#: Lines that one statement keeps.
_LINES: Final = 1_000
#: Seconds a wake-up message may take: without it the dispatcher finds what is due.
_WAKING: Final = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """What a job would be about: its filter, which holds what bounds it, and how many rows fit.

    ``is_at_least``: they may be more, since they were not counted to the end.
    """

    kind: str
    filter: Filter
    total: int
    is_at_least: bool = False


async def plan(
    connection: Connection,
    kind: str,
    wanted: Filter,
    settings: Settings,
    *,
    patience: timedelta = PATIENCE,
) -> Plan:
    """Count what a job would be about, for so long at most, and do nothing."""
    known = KINDS[kind]
    bounded = await known.bound(connection, wanted, settings)
    found = await counted(known.count(connection, bounded), patience)
    return Plan(kind, bounded, sum(found.pieces), found.is_at_least)


async def begin(
    connection: Connection,
    planned: Plan,
    *,
    rate: int,
    asked_by: str,
    why: str | None = None,
    lines: Sequence[JobLine] = (),
) -> Job:
    """Begin a job, in the caller's transaction: from its commit on, workers take its steps.

    ``lines`` are kept with it, of a kind that is begun with lines.
    """
    job = await storage.jobs.add(
        connection,
        NewJob(
            planned.kind,
            planned.filter.model_dump(mode="json"),
            rate,
            planned.total,
            asked_by,
            why,
            telemetry.request_id(),
            planned.is_at_least,
        ),
    )
    for start in range(0, len(lines), _LINES):
        await storage.job_lines.add(connection, job.id, lines[start : start + _LINES])
    await _note(connection, job, "job.begun", asked_by, why)
    about = {"job": job.id, "kind": job.kind, "total": job.total, "actor": asked_by}
    after_commit(connection, lambda _: telemetry.log.info("job_begun", **about))
    return job


async def move(
    connection: Connection, job_id: int, action: Action, *, asked_by: str, why: str | None = None
) -> Job:
    """Pause, resume or cancel a job, between two of its steps; what was done stays done.

    One that is there already is left as it is. Raises ``NotFound``, and ``Conflict`` where it
    cannot go there any more, and ``Busy`` where a step takes longer than anybody waits for a lock.
    """
    state, known = MOVES[action]
    try:
        with our_errors():
            job = await storage.jobs.move(connection, job_id, state, known=known)
    except Busy as error:
        # PostgreSQL ends a transaction that says nothing; one that stopped in the middle of a
        # statement is ended by a worker that runs.
        message = (
            f"A step of job {job_id} is under way and does not end: ask again in twenty seconds, "
            "and see that a worker runs"
        )
        raise Busy(message, dependency="postgres") from error
    if job is None:
        job = await storage.jobs.get(connection, job_id)
        if job.state != state:
            allowed = " or ".join(known)
            raise Conflict(f"Job {job_id} is {job.state}: one that is {allowed} can be {state}")
        return job
    await _note(connection, job, f"job.{_DONE[action]}", asked_by, why)
    about = {"job": job.id, "kind": job.kind, "state": job.state, "actor": asked_by}
    after_commit(connection, lambda _: telemetry.log.info("job_moved", **about))
    return job


async def _note(connection: Connection, job: Job, action: str, actor: str, why: str | None) -> None:
    after = {name: getattr(job, name) for name in ("kind", "filter", "rate", "total", "done")}
    await storage.audit.add(
        connection,
        actor=actor,
        action=action,
        subject_type="job",
        subject_id=job.id,
        reason=why,
        after={**after, "state": job.state},
    )


async def step(database: Database, outside: Outside, *, job_id: int | None = None) -> Job | None:
    """Take one step of the job that has been due longest, or of ``job_id``; None where none is due.

    One that is in vain since something is away is tried again later, and one that fails for good
    fails its job. Raises ``Unavailable`` where PostgreSQL itself is away.
    """
    taken: Taken | None = None
    try:
        async with database.transaction() as connection:
            taken = await storage.jobs.take(connection, list(KINDS), job_id=job_id)
            if taken is None:
                return None
            result = await _deal_with(connection, taken, outside)
            job = await storage.jobs.advance(connection, taken.id, result)
    except (Unavailable, Misconfigured) as error:
        if taken is None:
            raise
        return await _put_off(database, taken, error)
    except Exception as error:  # a door: other jobs must go on
        if taken is None:
            raise
        return await _fail(database, taken, error)
    if job.state == "done":
        about = {"done": job.done, "refused": job.refused}
        telemetry.log.info("job_done", job=job.id, kind=job.kind, **about)
    if result.due:
        with suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(_WAKING):
                await outside.wake_up(result.due)
    return job


async def _deal_with(connection: Connection, taken: Taken, outside: Outside) -> Step:
    kind = KINDS[taken.kind]
    wanted = kind.filter.model_validate(taken.filter)
    # Fewer after a step in vain: it may have taken too long.
    at_most = max(1, min(AT_MOST, taken.rate) >> min(taken.vain, 10))
    asked = replace(outside, asked_by=taken.asked_by, job_id=taken.id)
    return await kind.step(connection, wanted, taken.cursor, at_most, asked)


async def _put_off(database: Database, taken: Taken, error: Exception) -> Job:
    pause = STEP_OF_JOB.after(taken.vain + 1)
    telemetry.log.warning("job_put_off", job=taken.id, kind=taken.kind, error=reason(error))
    await database.ask(storage.jobs.put_off, taken.id, pause=pause, error=reason(error))
    return await database.ask(storage.jobs.get, taken.id)


async def _fail(database: Database, taken: Taken, error: Exception) -> Job:
    telemetry.log.error("job_failed", job=taken.id, kind=taken.kind, exc_info=error)
    await database.ask(storage.jobs.fail, taken.id, error=reason(error))
    return await database.ask(storage.jobs.get, taken.id)


async def run_due(database: Database, outside: Outside, *, patience: timedelta) -> None:
    """Take step after step, each when it is due, until none is for ``patience``."""
    while await step(database, outside):
        pause = await database.ask(storage.jobs.due_in)
        if pause is None or pause > patience:
            return
        await asyncio.sleep(pause.total_seconds())

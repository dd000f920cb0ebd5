"""Jobs: what is done to many rows, a step at a time, and how far each is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from orderbus.domain.jobs import State
from orderbus.errors import NotFound
from orderbus.storage import rows
from orderbus.storage.database import Connection

#: Behind which row a job goes on, as its kind writes it.
Cursor = Mapping[str, Any]
#: How many refusals of a job are kept with their reasons; all are counted.
REFUSALS: Final = 20
#: How far behind its rate a job may make up; longer than the pause between two looks.
_CATCH_UP: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class NewJob:
    """What is to be done: to which rows, how many they are, how fast, and who asked for it.

    ``is_at_least``: they may be more, since they were not counted to the end.
    """

    kind: str
    filter: Mapping[str, Any]
    rate: int
    total: int
    asked_by: str
    reason: str | None = None
    request_id: str | None = None
    is_at_least: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """A job and how far it is; ``error`` says why it failed, or why its last step was in vain."""

    id: int
    kind: str
    state: State
    total: int
    is_at_least: bool
    done: int
    refused: int
    rate: int
    filter: Mapping[str, Any]
    asked_by: str
    reason: str | None
    request_id: str | None
    created_at: datetime
    stepped_at: datetime | None
    finished_at: datetime | None
    error: str | None
    refusals: Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Taken:
    """A job whose step is due, taken: behind ``cursor`` it goes on; ``vain`` steps did nothing."""

    id: int
    kind: str
    filter: Mapping[str, Any]
    cursor: Cursor | None
    rate: int
    vain: int
    asked_by: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that a job could not deal with: which one, and why."""

    subject: str
    reason: str


@dataclass(frozen=True, slots=True)
class Step:
    """What a step did, and behind which row the next one goes on; None where nothing is left.

    ``refused`` counts all that were refused, ``refusals`` may name some of them. ``due`` is what
    may go now, counted by the actor that does it.
    """

    done: int
    refused: int = 0
    cursor: Cursor | None = None
    refusals: Sequence[Refusal] = ()
    due: Mapping[str, int] | None = None


_COLUMNS: Final = """
    id, kind, state, total, is_at_least, done, refused, rate, filter, asked_by, reason, request_id,
    created_at, stepped_at, finished_at, error, refusals
"""


async def add(connection: Connection, job: NewJob) -> Job:
    """Begin a job: its first step is due now."""
    record = await connection.fetchrow(
        f"""
        INSERT INTO ops.jobs
               (kind, filter, rate, total, asked_by, reason, request_id, is_at_least)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        RETURNING {_COLUMNS}
        """,  # noqa: S608 - a constant of ours
        job.kind,
        job.filter,
        job.rate,
        job.total,
        job.asked_by,
        job.reason,
        job.request_id,
        job.is_at_least,
    )
    return rows.one(Job, record)


async def get(connection: Connection, job_id: int) -> Job:
    """Show a job. Raises ``NotFound``."""
    record = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM ops.jobs WHERE id = $1",  # noqa: S608 - as above
        job_id,
    )
    if record is None:
        raise NotFound(f"No job {job_id}")
    return rows.one(Job, record)


async def list_newest(
    connection: Connection,
    *,
    state: str | None = None,
    kind: str | None = None,
    before: int | None = None,
    at_most: int,
) -> list[Job]:
    """List jobs from the newest on, those before the one numbered ``before``."""
    given = [(name, value) for name, value in (("kind", kind), ("state", state)) if value]
    # As ranges, which an order may begin with: then no plan prefers to read from the newest on.
    ranges = [f"{name} BETWEEN ${n} AND ${n}" for n, (name, _) in enumerate(given, 3)]
    order = ", ".join(f"{name} DESC" for name in (*dict(given), "id"))
    records = await connection.fetch(
        f"""
        SELECT {_COLUMNS}
          FROM ops.jobs
         WHERE {" AND ".join([*ranges, "id < coalesce($1::bigint, 9223372036854775807)"])}
         ORDER BY {order}
         LIMIT $2
        """,  # noqa: S608 - names of ours
        before,
        at_most,
        *dict(given).values(),
    )
    return rows.many(Job, records)


async def take(
    connection: Connection, kinds: Sequence[str], *, job_id: int | None = None
) -> Taken | None:
    """Take the job that has been due longest, or ``job_id`` where it is due, for one step.

    It is ours until the transaction ends, and whoever looks meanwhile passes over it. None where
    nothing of these ``kinds`` is due.
    """
    record = await connection.fetchrow(
        """
        SELECT id, kind, filter, cursor, rate, vain, asked_by
          FROM ops.jobs
         WHERE state = 'running' AND due_at <= now()
           AND kind = ANY ($1) AND ($2::bigint IS NULL OR id = $2)
         ORDER BY due_at
         LIMIT 1
           FOR UPDATE SKIP LOCKED
        """,
        kinds,
        job_id,
    )
    return None if record is None else rows.one(Taken, record)


async def advance(connection: Connection, job_id: int, step: Step) -> Job:
    """Write down what a step did, in its transaction, and when the next is due at the job's rate.

    One that comes late makes up for a second at most. Without a cursor the job is done.
    """
    record = await connection.fetchrow(
        f"""
        UPDATE ops.jobs
           SET done = done + $2,
               refused = refused + $3,
               refusals = refusals || (
                   SELECT coalesce(jsonb_agg(refusal), '[]')
                     FROM (SELECT refusal
                             FROM jsonb_array_elements($4::jsonb) AS refusal
                            LIMIT greatest(0, $5 - jsonb_array_length(refusals))) AS first),
               cursor = $6,
               state = CASE WHEN $6::jsonb IS NULL THEN 'done' ELSE state END,
               finished_at = CASE WHEN $6::jsonb IS NULL THEN now() END,
               due_at = greatest(due_at, now() - $7::interval)
                        + ($2::bigint + $3::bigint) * make_interval(secs => 1) / rate,
               stepped_at = now(), vain = 0, error = NULL
         WHERE id = $1
        RETURNING {_COLUMNS}
        """,  # noqa: S608 - as above
        job_id,
        step.done,
        step.refused,
        [asdict(each) for each in step.refusals[:REFUSALS]],
        REFUSALS,
        step.cursor,
        _CATCH_UP,
    )
    return rows.one(Job, record)


async def put_off(connection: Connection, job_id: int, *, pause: timedelta, error: str) -> None:
    """Write down that a step was in vain: the next one is due after ``pause``."""
    await connection.execute(
        """
        UPDATE ops.jobs SET vain = vain + 1, error = $3, due_at = now() + $2::interval
         WHERE id = $1 AND state = 'running'
        """,
        job_id,
        pause,
        error,
    )


async def fail(connection: Connection, job_id: int, *, error: str) -> None:
    """Write down that a job cannot go on; a person may resume it."""
    await connection.execute(
        """
        UPDATE ops.jobs SET state = 'failed', finished_at = now(), error = $2
         WHERE id = $1 AND state = 'running'
        """,
        job_id,
        error,
    )


async def move(
    connection: Connection, job_id: int, state: State, *, known: Sequence[State]
) -> Job | None:
    """Bring a job from one of the ``known`` states to ``state``; None where it is in another.

    Waits for the end of a step that is under way.
    """
    record = await connection.fetchrow(
        f"""
        UPDATE ops.jobs
           SET state = $2,
               finished_at = CASE WHEN $2 = 'cancelled' THEN now() END,
               due_at = greatest(due_at, now()), vain = 0,
               error = CASE WHEN $2 = 'running' THEN NULL ELSE error END
         WHERE id = $1 AND state = ANY ($3)
        RETURNING {_COLUMNS}
        """,  # noqa: S608 - as above
        job_id,
        state,
        known,
    )
    return None if record is None else rows.one(Job, record)


async def due_in(connection: Connection) -> timedelta | None:
    """Say how long until the next step of any job is due; None where no job runs."""
    pause: timedelta | None = await connection.fetchval(
        """
        SELECT greatest(due_at, now()) - now()
          FROM ops.jobs WHERE state = 'running' ORDER BY due_at LIMIT 1
        """
    )
    return pause

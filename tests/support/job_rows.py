"""What is kept of jobs."""

from __future__ import annotations

from datetime import timedelta

from orderbus.storage.database import Connection, Database
from tests.support.scenario import value


async def make_due(database: Database) -> None:
    """Let the time pass that the next step of each job waits for."""
    await value(database, "UPDATE ops.jobs SET due_at = now() WHERE due_at > now()")


async def be_due_in(database: Database, pause: timedelta) -> None:
    """Let the next step of each job be due after this pause; a negative one is long ago."""
    await value(database, "UPDATE ops.jobs SET due_at = now() + $1::interval", pause)


async def due_after(database: Database, job: int) -> timedelta:
    """How long after its last step the next one of a job is due."""
    query = "SELECT due_at - stepped_at FROM ops.jobs WHERE id = $1"
    pause: timedelta = await value(database, query, job)
    return pause


async def due_after_beginning(connection: Connection, job: int) -> timedelta:
    """How long after it began the next step of a job is due."""
    query = "SELECT due_at - created_at FROM ops.jobs WHERE id = $1"
    pause: timedelta = await connection.fetchval(query, job)
    return pause


async def vain_steps(database: Database, job: int) -> int:
    """How many steps of a job were in vain since the last that went well."""
    return int(await value(database, "SELECT vain FROM ops.jobs WHERE id = $1", job))


async def let_be_old(database: Database, age: timedelta) -> None:
    """Let every job that has ended have ended so long ago."""
    query = "UPDATE ops.jobs SET finished_at = now() - $1::interval WHERE finished_at IS NOT NULL"
    await value(database, query, age)


async def states(database: Database) -> list[str]:
    """The state of each job there is, sorted."""
    return await value(database, "SELECT array_agg(state ORDER BY state) FROM ops.jobs") or []


async def set_rate(connection: Connection, job: int, rate: int) -> None:
    """Let a job that runs go so fast from now on."""
    await connection.execute("UPDATE ops.jobs SET rate = $2 WHERE id = $1", job, rate)


async def fail_all(database: Database) -> None:
    """Let every job have failed for good."""
    await value(
        database, "UPDATE ops.jobs SET state = 'failed', error = 'a test', finished_at = now()"
    )


async def delete(database: Database, job: int) -> None:
    """Delete a job, as retention does once it ended long ago."""
    await value(database, "DELETE FROM ops.jobs WHERE id = $1", job)

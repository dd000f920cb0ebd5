"""Jobs, begun and taken to their end by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from orderbus import services, storage
from orderbus.services.kinds import Filter, Outside
from orderbus.services.replay import Replay
from orderbus.settings import Settings
from orderbus.storage.database import Database
from orderbus.storage.jobs import Job
from tests.support import job_rows


async def begin(
    database: Database, settings: Settings, kind: str, wanted: Filter, *, rate: int = 100_000
) -> Job:
    planned = await database.ask(services.jobs.plan, kind, wanted, settings)
    async with database.transaction() as connection:
        return await services.jobs.begin(connection, planned, rate=rate, asked_by="test")


def outside(settings: Settings, **wants: str) -> Outside:
    """Give steps consumers, and nobody to send anything to."""

    async def nobody(*_: Any) -> Any:
        raise AssertionError("nothing is sent here")

    return Outside(settings, nobody, nobody, nobody, wants)


async def finish(database: Database, job: Job, outside: Outside) -> Job:
    """Take step after step of it, each due at once, until it runs no more."""
    while (found := await database.ask(storage.jobs.get, job.id)).state == "running":
        await job_rows.make_due(database)
        await services.jobs.step(database, outside, job_id=job.id)
    return found


def of_the_last_hour(consumer: str = "late") -> Replay:
    """Ask for a replay of every event of the last hour, and of the one before."""
    return Replay(consumer=consumer, since=datetime.now(UTC) - timedelta(hours=2))

"""A step that is in vain, a job that fails and a row that is refused: each costs itself alone."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from orderbus import services, storage
from orderbus.errors import Busy
from orderbus.services import kinds
from orderbus.services.kinds import Filter, Kind, Outside
from orderbus.settings import Settings
from orderbus.storage.database import Connection, Database
from orderbus.storage.jobs import REFUSALS, Cursor, Job, Refusal, Step
from tests.support import job_rows, jobs, many_rows

EVENTS = 1_200


@pytest.fixture
def outside(settings: Settings) -> Outside:
    return jobs.outside(settings, late="*")


@pytest.fixture
async def job(database: Database, settings: Settings) -> Job:
    """A job of 1,200 events that are given to a consumer, 500 in a step."""
    await database.ask(many_rows.events_of_the_last_hour, EVENTS)
    return await jobs.begin(database, settings, "replay", jobs.of_the_last_hour())


async def test_what_is_away_puts_a_job_off_and_others_go_on(
    database: Database,
    job: Job,
    settings: Settings,
    outside: Outside,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def locked(*_: Any, **__: Any) -> Any:
        raise Busy("Somebody else has locked it")

    with monkeypatch.context() as patch:
        patch.setattr(storage.replay, "give", locked)
        put_off = await services.jobs.step(database, outside)
        again = await services.jobs.step(database, outside)
    vain = await job_rows.vain_steps(database, job.id)
    finished = await jobs.finish(database, job, outside)

    assert put_off is not None
    assert (put_off.state, put_off.error) == ("running", "Somebody else has locked it")
    assert again is None
    assert vain == 1
    assert (finished.state, finished.done, finished.error) == ("done", EVENTS, None)


async def test_a_job_that_failed_says_why_and_goes_on_when_it_is_resumed(
    database: Database, job: Job, settings: Settings, outside: Outside
) -> None:
    await services.jobs.step(database, outside)
    failed = await jobs.finish(database, job, jobs.outside(settings, early="*"))
    async with database.transaction() as connection:
        resumed = await services.jobs.move(connection, job.id, "resume", asked_by="test")
    finished = await jobs.finish(database, job, outside)

    assert (failed.state, failed.done) == ("failed", 500)
    assert failed.error == "There is no consumer late in this worker; there are early"
    assert (resumed.state, resumed.error, resumed.finished_at) == ("running", None, None)
    assert (finished.state, finished.done) == ("done", EVENTS)


class Numbers(Filter):
    """Divide by each number."""

    until: int


async def divide(
    connection: Connection, wanted: Numbers, cursor: Cursor | None, at_most: int, _: Outside
) -> Step:
    first = cursor["after"] + 1 if cursor else 0
    numbers = range(first, min(first + at_most, wanted.until))
    step = await kinds.each(
        connection, numbers, lambda each: connection.fetchval("SELECT 1 / ($1::int % 10)", each)
    )
    last = numbers[-1]
    cursor = {"after": last} if last + 1 < wanted.until else None
    return Step(step.done, step.refused, cursor, step.refusals)


async def test_a_row_that_cannot_be_dealt_with_is_refused_and_the_others_go_on(
    database: Database, settings: Settings, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def count(_: Connection, wanted: Numbers) -> AsyncGenerator[int, None]:
        yield wanted.until

    kind = Kind("divide", Numbers, count, divide)
    monkeypatch.setattr(services.jobs, "KINDS", {"divide": kind})
    job = await jobs.begin(database, settings, "divide", Numbers(until=300), rate=100)

    finished = await jobs.finish(database, job, outside)

    assert (finished.state, finished.done, finished.refused) == ("done", 270, 30)
    assert [each["subject"] for each in finished.refusals] == [
        str(number) for number in range(0, 10 * REFUSALS, 10)
    ]
    assert {each["reason"] for each in finished.refusals} == {"division by zero"}


async def test_a_reason_that_postgresql_cannot_keep_is_kept_all_the_same(
    database: Database, job: Job
) -> None:
    refused = Refusal("a", kinds.reason(ValueError("NUL \x00 and half \ud800")))

    async with database.transaction() as connection:
        moved = await storage.jobs.advance(connection, job.id, Step(0, 1, {}, [refused]))

    assert moved.refusals == [{"subject": "a", "reason": "NUL \ufffd and half ?"}]


async def test_a_filter_that_is_no_longer_understood_fails_its_job_alone(
    database: Database, job: Job, settings: Settings, outside: Outside
) -> None:
    new = storage.jobs.NewJob("replay", {"consumer": "late", "strange": 1}, 5, 1, "test")
    strange = await database.ask(storage.jobs.add, new)

    failed = await jobs.finish(database, strange, outside)

    assert failed.state == "failed"
    assert (await jobs.finish(database, job, outside)).done == EVENTS

"""What touches many rows is done a step at a time: watched, paused, and never twice."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orderbus import services, storage
from orderbus.domain.jobs import MOVES, Action
from orderbus.errors import Conflict, NotFound
from orderbus.services.kinds import Outside
from orderbus.services.replay import Replay
from orderbus.settings import Settings
from orderbus.storage.database import Database
from orderbus.storage.jobs import Job, Step
from tests.support import consumption_rows, job_rows, jobs, many_rows

EVENTS = 1_200
HOUR = timedelta(hours=1)


@pytest.fixture
def outside(settings: Settings) -> Outside:
    return jobs.outside(settings, late="*")


@pytest.fixture
async def job(database: Database, settings: Settings) -> Job:
    """A job of 1,200 events that are given to a consumer, 500 in a step."""
    await database.ask(many_rows.events_of_the_last_hour, EVENTS)
    return await jobs.begin(database, settings, "replay", jobs.of_the_last_hour())


async def do(database: Database, job: Job, action: Action) -> Job:
    async with database.transaction() as connection:
        return await services.jobs.move(connection, job.id, action, asked_by="test", why="so")


async def test_a_job_is_counted_before_it_begins_and_does_what_it_counted(
    database: Database, job: Job, outside: Outside
) -> None:
    finished = await jobs.finish(database, job, outside)

    assert (job.total, job.done) == (EVENTS, 0)
    assert (finished.state, finished.done, finished.refused) == ("done", EVENTS, 0)
    assert finished.finished_at is not None
    assert await consumption_rows.count_of(database, "late") == EVENTS
    assert await consumption_rows.given_in_order(database, "late")


async def test_what_comes_after_a_job_began_is_not_in_it(
    database: Database, job: Job, outside: Outside
) -> None:
    until = datetime.fromisoformat(job.filter["until"])

    assert until <= datetime.now(UTC)
    assert (await jobs.finish(database, job, outside)).filter == job.filter


async def test_a_step_that_is_interrupted_did_nothing(
    database: Database, job: Job, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def interrupted(*_: Any) -> Job:
        raise asyncio.CancelledError

    await services.jobs.step(database, outside)
    await job_rows.make_due(database)
    with monkeypatch.context() as patch:
        patch.setattr(storage.jobs, "advance", interrupted)
        with pytest.raises(asyncio.CancelledError):
            await services.jobs.step(database, outside)
    between = await database.ask(storage.jobs.get, job.id)
    finished = await jobs.finish(database, job, outside)

    assert (between.state, between.done) == ("running", 500)
    assert finished.done == EVENTS


async def test_two_who_step_at_once_share_a_job(
    database: Database, job: Job, outside: Outside
) -> None:
    async def run() -> int:
        steps = 0
        while (await database.ask(storage.jobs.get, job.id)).state == "running":
            await job_rows.make_due(database)
            steps += await services.jobs.step(database, outside) is not None
        return steps

    steps = await asyncio.gather(run(), run())

    assert sum(steps) == 4  # the last one finds that nothing is left
    assert (await database.ask(storage.jobs.get, job.id)).done == EVENTS
    assert await consumption_rows.given_in_order(database, "late")


async def test_whoever_looks_while_another_steps_passes_over_the_job(
    database: Database, job: Job, outside: Outside
) -> None:
    async with database.transaction() as connection:
        taken = await storage.jobs.take(connection, ["replay"])
        meanwhile = await services.jobs.step(database, outside)

    assert taken is not None
    assert taken.id == job.id
    assert meanwhile is None


async def test_a_job_of_a_kind_that_a_worker_does_not_know_is_left_to_others(
    database: Database, job: Job
) -> None:
    async with database.transaction() as connection:
        assert await storage.jobs.take(connection, ["another"]) is None
        assert await storage.jobs.take(connection, ["another", job.kind]) is not None


async def test_a_job_that_is_paused_takes_no_step_until_it_is_resumed(
    database: Database, job: Job, outside: Outside
) -> None:
    await services.jobs.step(database, outside)
    paused = await do(database, job, "pause")
    await job_rows.make_due(database)
    stepped = await services.jobs.step(database, outside)
    resumed = await do(database, job, "resume")
    finished = await jobs.finish(database, job, outside)

    assert (paused.state, paused.done) == ("paused", 500)
    assert stepped is None
    assert resumed.state == "running"
    assert (finished.state, finished.done) == ("done", EVENTS)


async def test_a_job_that_is_cancelled_leaves_done_what_was_done_and_goes_nowhere(
    database: Database, job: Job, outside: Outside
) -> None:
    await services.jobs.step(database, outside)
    cancelled = await do(database, job, "cancel")
    again = await do(database, job, "cancel")
    await job_rows.make_due(database)

    assert (cancelled.state, again.state) == ("cancelled", "cancelled")
    assert await services.jobs.step(database, outside) is None
    assert await consumption_rows.count_of(database, "late") == 500
    with pytest.raises(Conflict, match="is cancelled: one that is paused or failed can be"):
        await do(database, job, "resume")


@pytest.mark.parametrize("action", MOVES)
async def test_a_job_that_is_done_or_not_there_cannot_be_moved(
    database: Database, job: Job, outside: Outside, action: Action
) -> None:
    await jobs.finish(database, job, outside)

    with pytest.raises(Conflict):
        await do(database, job, action)
    async with database.transaction() as connection:
        with pytest.raises(NotFound):
            await services.jobs.move(connection, 2**62, action, asked_by="test")


async def test_the_audit_trail_says_who_began_and_stopped_a_job_and_why(
    database: Database, job: Job
) -> None:
    for action in ("pause", "pause", "resume", "cancel"):
        await do(database, job, action)

    entries = await database.ask(storage.audit.list_newest, subject=str(job.id), at_most=9)
    acts = [(entry.action, entry.actor, entry.reason) for entry in entries]
    assert acts == [
        ("job.cancelled", "test", "so"),
        ("job.resumed", "test", "so"),
        ("job.paused", "test", "so"),
        ("job.begun", "test", None),
    ]


async def test_the_next_step_is_due_when_the_rate_says_so(
    database: Database, job: Job, settings: Settings, outside: Outside
) -> None:
    async with database.transaction() as connection:  # in which now() stands still
        await storage.jobs.advance(connection, job.id, Step(0, cursor={}))
        before = await job_rows.due_after_beginning(connection, job.id)
        await storage.jobs.advance(connection, job.id, Step(300, 100, cursor={}))
        after = await job_rows.due_after_beginning(connection, job.id)

    assert after - before == timedelta(seconds=400 / job.rate)


async def test_a_job_that_was_left_alone_makes_up_for_one_second_alone(
    database: Database, job: Job, outside: Outside
) -> None:
    await job_rows.be_due_in(database, -HOUR)

    await services.jobs.step(database, outside)

    pause = await job_rows.due_after(database, job.id)
    assert pause == timedelta(seconds=500 / job.rate) - timedelta(seconds=1)


async def test_a_step_is_no_larger_than_what_is_done_in_a_second_and_none_is_early(
    database: Database, settings: Settings, outside: Outside
) -> None:
    await database.ask(many_rows.events_of_the_last_hour, 20)
    wanted = jobs.of_the_last_hour()
    job = await jobs.begin(database, settings, "replay", wanted, rate=7)

    first = await services.jobs.step(database, outside)
    await job_rows.be_due_in(database, HOUR)
    early = await services.jobs.step(database, outside)

    assert first is not None
    assert (first.id, first.done) == (job.id, 7)
    assert early is None


async def test_jobs_take_turns_by_when_they_are_due(
    database: Database, settings: Settings, outside: Outside
) -> None:
    await database.ask(many_rows.events_of_the_last_hour, 20)
    wanted = jobs.of_the_last_hour()
    slow = [await jobs.begin(database, settings, "replay", wanted, rate=1) for _ in range(2)]

    stepped = [await services.jobs.step(database, outside) for _ in range(2)]

    assert [job and job.id for job in stepped] == [job.id for job in slow]


async def test_workers_take_step_after_step_and_wait_for_none_that_is_far(
    database: Database, job: Job, outside: Outside
) -> None:
    await services.jobs.run_due(database, outside, patience=HOUR)
    slow = await database.ask(storage.jobs.get, job.id)

    assert (slow.state, slow.done) == ("done", EVENTS)


async def test_old_jobs_are_deleted_but_for_those_that_somebody_has_to_look_at(
    database: Database, job: Job, settings: Settings, outside: Outside
) -> None:
    nobody = jobs.outside(settings)
    wanted = Replay.model_validate(job.filter)
    await jobs.finish(database, job, outside)
    failing, paused, cancelled = [
        await jobs.begin(database, settings, "replay", wanted) for _ in range(3)
    ]
    await jobs.finish(database, failing, nobody)
    await do(database, paused, "pause")
    await do(database, cancelled, "cancel")
    await job_rows.let_be_old(database, settings.keep_dead_letters + HOUR)

    await services.retention.tick(database, settings)

    assert await job_rows.states(database) == ["failed", "paused"]

"""A job goes on whoever is killed, and does nothing twice."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from orderbus import services, storage
from orderbus.errors import Busy
from orderbus.storage.jobs import Job
from tests.end_to_end.killed_jobs import STEPS_ALONE, survive
from tests.support import consumption_rows, jobs, kill_at, many_rows
from tests.support.system import System

pytestmark = pytest.mark.timeout(300)

EVENTS = 10_000


async def begin(system: System) -> Job:
    await system.database.ask(many_rows.events_of_the_last_hour, EVENTS)
    wanted = jobs.of_the_last_hour("count_event")
    return await jobs.begin(system.database, system.settings, "replay", wanted)


async def test_a_job_of_ten_thousand_rows_gives_each_once_and_in_order_although_two_workers_die(
    system: System,
) -> None:
    job = await begin(system)

    async def both_are_killed() -> bool:
        return Path(system.env["LOG"]).read_text().count(kill_at.LAST_WORDS) == 2

    async def is_done() -> bool:
        return (await system.database.ask(storage.jobs.get, job.id)).state != "running"

    dying = await asyncio.gather(
        *(
            system.start("workers", *STEPS_ALONE, killed_at=point, ready=False)
            for point in (
                "worker between a job's third step and its commit",
                "worker after the commit of a job's third step",
            )
        )
    )
    await system.until(both_are_killed, "both are killed in their third steps")
    between = await system.database.ask(storage.jobs.get, job.id)
    for process in dying:
        await system.kill(process)
    for _ in range(2):
        await system.start("workers", *STEPS_ALONE, ready=False)
    await system.until(is_done, "the job is done")
    finished = await system.database.ask(storage.jobs.get, job.id)

    # Two steps of one, three of the other: all that they committed is counted, and nothing more.
    assert between.done == 5 * 500
    assert (finished.state, finished.done, finished.refused) == ("done", EVENTS, 0)
    assert await consumption_rows.count_of(system.database, "count_event") == EVENTS
    assert await consumption_rows.given_in_order(system.database, "count_event")


@pytest.mark.native  # the steps of jobs need no queue
async def test_jobs_that_retry_redrive_and_resend_tell_each_once_and_in_order_although_workers_die(
    system: System,
) -> None:
    await survive(system, events=400, rate=40, seconds=120)


async def pause(system: System, job: Job) -> Job:
    async with system.database.transaction() as connection:
        return await services.jobs.move(connection, job.id, "pause", asked_by="test")


@pytest.mark.native  # the steps of jobs need no queue
async def test_a_worker_that_stands_still_in_a_step_keeps_an_operator_waiting_for_seconds_alone(
    system: System,
) -> None:
    job = await begin(system)
    point = "worker stopped between a job's step and its commit"
    stopped = await system.start("workers", *STEPS_ALONE, killed_at=point, ready=False)

    async def stands_still() -> bool:
        return kill_at.LAST_WORDS in Path(system.env["LOG"]).read_text()

    async def is_done() -> bool:
        return (await system.database.ask(storage.jobs.get, job.id)).state == "done"

    await system.until(stands_still, "a worker stands still in its step")
    # Here and not by a command, which on a busy machine begins after PostgreSQL has ended it.
    shown = await system.database.ask(storage.jobs.get, job.id)
    with pytest.raises(Busy, match=f"A step of job {job.id} is under way"):
        await pause(system, job)

    async def is_paused() -> bool:
        with suppress(Busy):
            return (await pause(system, job)).state == "paused"
        return False

    await system.until(is_paused, "PostgreSQL has ended the transaction that stood still")
    paused = await system.database.ask(storage.jobs.get, job.id)
    await system.orderbus("jobs", "resume", str(job.id))
    await system.start("workers", *STEPS_ALONE, ready=False)
    await system.until(is_done, "the other worker does it all")
    await system.kill(stopped)

    assert (shown.state, shown.done) == ("running", 0)
    assert (paused.state, paused.done) == ("paused", 0)
    assert await consumption_rows.count_of(system.database, "count_event") == EVENTS
    assert await consumption_rows.given_in_order(system.database, "count_event")


async def test_whoever_types_a_replay_helps_the_workers_with_it(system: System) -> None:
    await system.database.ask(many_rows.events_of_the_last_hour, EVENTS)
    typed = ("replay", "--consumer", "count_event", "--since", "2h", "--rate", "100000")

    counted = await system.orderbus(*typed, "--dry-run")
    first, second = await asyncio.gather(system.orderbus(*typed), system.orderbus(*typed))
    listed = await system.orderbus("jobs", "list", "--kind", "replay")

    assert counted == {
        "consumer": "count_event",
        "events": EVENTS,
        "is_at_least": False,
        "given": 0,
        "would_be_given": EVENTS,
    }
    assert first["given"] + second["given"] == EVENTS
    assert {job["state"] for job in listed} == {"done"}
    assert sorted(job["id"] for job in listed) == sorted([first["job"], second["job"]])
    assert await consumption_rows.count_of(system.database, "count_event") == EVENTS

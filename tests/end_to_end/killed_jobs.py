"""Jobs about deliveries, each of which two workers die over in the middle."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final
from uuid import UUID

from orderbus import services, storage
from orderbus.domain.jobs import Action
from orderbus.services import kinds
from orderbus.storage.jobs import Job
from tests.support import job_rows, jobs, kill_at, scenario, told_rows
from tests.support.receiver import Receiver
from tests.support.system import System

KINDS: Final = ("retry_deliveries", "redrive_dead_letters", "resend_deliveries")
#: Events of an order.
EACH: Final = 4
#: They take the steps of jobs, and deliver nothing: what the customer sees is the jobs' alone.
STEPS_ALONE: Final = ("--queues", "publish_outbox")
POINTS: Final = (
    "worker between a job's third step and its commit",
    "worker after the commit of a job's third step",
)


class Receivers:
    """One customer for each kind of job, who was owed or told all of the same events."""

    def __init__(self) -> None:
        self.of: dict[str, Receiver] = {}
        self.endpoints: dict[str, UUID] = {}

    def had(self, events: int) -> bool:
        """Whether each has been told so much."""
        return all(len(receiver.accepted) >= events for receiver in self.of.values())


async def survive(system: System, *, events: int, rate: int, seconds: float) -> None:
    """See that what jobs have sent is sent once each and in order, though two die over each.

    A step has ``rate`` rows, or as many as a step may have.
    """
    receivers = Receivers()
    system.env["ORDERBUS_POLL_INTERVAL"] = "0.1"
    async with AsyncExitStack() as listening:
        for kind in KINDS:
            receiver = await listening.enter_async_context(Receiver().listening())
            receivers.of[kind] = receiver
            receivers.endpoints[kind] = await scenario.add_endpoint(
                system.database, receiver.url, format="compact"
            )
        await _tell(system, receivers, events)
        begun = [
            await _killed_twice(system, kind, receivers.endpoints[kind], rate) for kind in KINDS
        ]
        assert not any(receiver.requests for receiver in receivers.of.values())
        finished = await _go_on(system, begun, receivers, events, seconds)

    for job in finished:
        assert (job.state, job.total, job.done, job.refused) == ("done", events, events, 0), job
    for kind, receiver in receivers.of.items():
        counted = Counter(receiver.times().values())
        assert counted == {1: events}, f"{kind}: {counted} by how often each was told"
        assert list(receiver.sequences().values()) == [[1, 2, 3, 4]] * (events // EACH), kind


async def _tell(system: System, receivers: Receivers, events: int) -> None:
    *dead_to, delivered_to = receivers.endpoints.values()
    await system.database.ask(
        told_rows.add,
        orders=events // EACH,
        each=EACH,
        dead_to=dead_to,
        delivered_to=[delivered_to],
    )


async def _killed_twice(system: System, kind: str, endpoint: UUID, rate: int) -> Job:
    """Begin a job, have two workers die in their third steps, and pause it."""
    wanted = kinds.read(services.jobs.KINDS[kind].filter, {"endpoint_id": str(endpoint)})
    job = await jobs.begin(system.database, system.settings, kind, wanted, rate=rate)
    log = Path(system.env["LOG"])
    already = log.read_text().count(kill_at.LAST_WORDS)

    async def both_are_killed() -> bool:
        await job_rows.make_due(system.database)
        return log.read_text().count(kill_at.LAST_WORDS) == already + len(POINTS)

    dying = await asyncio.gather(
        *(system.start("workers", *STEPS_ALONE, killed_at=point, ready=False) for point in POINTS)
    )
    await system.until(both_are_killed, f"both are killed over the job {kind}")
    await _move(system, job, "pause")
    for process in dying:
        await system.kill(process)
    between = await system.database.ask(storage.jobs.get, job.id)
    # Two steps of one, three of the other: all that they committed is counted, and nothing more.
    assert (between.state, between.done) == ("paused", 5 * min(rate, 500)), between
    return job


async def _go_on(
    system: System, begun: list[Job], receivers: Receivers, events: int, seconds: float
) -> list[Job]:
    """Resume them all, with two workers that also deliver, until everything was told."""
    for job in begun:
        await _move(system, job, "resume")
    for _ in range(2):
        await system.start("workers", ready=False)

    async def everything_is_told() -> bool:
        found = [await system.database.ask(storage.jobs.get, job.id) for job in begun]
        return all(job.state != "running" for job in found) and receivers.had(events)

    await system.until(everything_is_told, "all jobs are done, all is told", seconds=seconds)
    return [await system.database.ask(storage.jobs.get, job.id) for job in begun]


async def _move(system: System, job: Job, action: Action) -> None:
    async with system.database.transaction() as connection:
        await services.jobs.move(connection, job.id, action, asked_by="test")

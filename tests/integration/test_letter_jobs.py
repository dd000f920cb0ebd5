"""Many dead letters are redriven or discarded as jobs: each once, whatever happens in between."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import pytest

from orderbus import services, storage
from orderbus.errors import Conflict, NotFound, OrderbusError, Poisoned, Unavailable
from orderbus.pubsub.messages import Message
from orderbus.services.kinds import Outside
from orderbus.services.letter_jobs import DiscardLetters, RedriveLetters
from orderbus.settings import Settings
from orderbus.storage.database import Database
from orderbus.storage.dead_letters import FailedMessage
from orderbus.storage.jobs import Job
from tests.support import (
    delivery_rows,
    endpoint_rows,
    job_rows,
    jobs,
    letter_rows,
    order_rows,
    outbox_rows,
    scenario,
)

REDRIVE, DISCARD = "redrive_dead_letters", "discard_dead_letters"


class World:
    """Takes what steps send; ``trouble`` is raised first, and ``refused`` data is Pub/Sub's no."""

    def __init__(self, *trouble: Exception) -> None:
        self.enqueued: list[Any] = []
        self.published: list[bytes] = []
        self.woken: list[Mapping[str, int]] = []
        self.trouble = list(trouble)
        self.refused: set[bytes] = set()

    async def enqueue(self, actor: str, arguments: Mapping[str, Any]) -> None:
        if actor == "gone":
            raise Conflict("There is no actor gone")
        self.enqueued.append(arguments["args"][0])
        if self.trouble and len(self.enqueued) > 2:
            raise self.trouble.pop()

    async def publish(self, messages: Sequence[Message]) -> Sequence[str | OrderbusError]:
        self.published += [message.data for message in messages]
        return [
            Poisoned("too large", reason="x") if message.data in self.refused else "m"
            for message in messages
        ]

    async def wake_up(self, due: Mapping[str, int]) -> None:
        self.woken.append(due)

    def outside(self, settings: Settings) -> Outside:
        return Outside(settings, self.enqueue, self.publish, self.wake_up, {})


async def deliveries(database: Database, orders: int = 4) -> UUID:
    """Leave a dead letter of a delivery of each of some orders; returns their endpoint."""
    endpoint = await scenario.add_endpoint(database)
    for number in range(orders):
        await scenario.place(database, f"SO-{number}")
    await scenario.come_back(database, *await scenario.events(database))
    await delivery_rows.give_up(database)
    await letter_rows.add_of_every_delivery(database)
    return endpoint


async def messages(database: Database, *marks: object, actor: str = "count_event") -> None:
    """Leave a dead letter of a queue message of each mark."""
    failed = [
        FailedMessage(str(mark), "x", "x", actor=actor, arguments={"args": [mark], "kwargs": {}})
        for mark in marks
    ]
    await services.dead_letters.add_messages(database, failed)


async def given_up(database: Database, *data: bytes) -> None:
    """Leave a dead letter of a Pub/Sub message of each of these bytes."""
    failed = [FailedMessage(str(n), "x", "x", each, {}) for n, each in enumerate(data)]
    async with database.connection() as connection:
        await storage.dead_letters.add(connection, "pubsub", failed)


async def redrive(
    database: Database, settings: Settings, world: World, wanted: RedriveLetters | None = None
) -> Job:
    job = await jobs.begin(database, settings, REDRIVE, wanted or RedriveLetters())
    return await jobs.finish(database, job, world.outside(settings))


async def resolutions(database: Database) -> list[str | None]:
    return [letter["resolution"] for letter in await letter_rows.every(database)]


async def test_a_job_redrives_letters_of_every_kind_the_oldest_first(
    database: Database, settings: Settings
) -> None:
    await deliveries(database)
    await messages(database, 1, 2, 3)
    await given_up(database, b"a", b"b")
    world = World()

    job = await redrive(database, settings, world)

    assert (job.state, job.total, job.done, job.refused) == ("done", 9, 9, 0)
    assert world.enqueued == [1, 2, 3]
    assert world.published == [b"a", b"b"]
    assert sum(due.get("deliver_webhook", 0) for due in world.woken) == 4
    assert set(await resolutions(database)) == {"redriven"}
    assert set(await delivery_rows.states(database)) == {"pending"}


async def test_a_letter_whose_endpoint_was_removed_is_refused_with_its_reason_and_others_go_on(
    database: Database, settings: Settings
) -> None:
    await deliveries(database)
    await endpoint_rows.remove_all(database)
    await messages(database, 1)
    await messages(database, 2, actor="gone")
    await given_up(database, b"a", b"b")
    world = World()
    world.refused = {b"a"}

    job = await redrive(database, settings, world)

    assert (job.state, job.total, job.done, job.refused) == ("done", 8, 2, 6)
    assert "endpoint was removed" in job.refusals[0]["reason"]
    assert {each["reason"] for each in job.refusals[4:]} == {"There is no actor gone", "too large"}
    assert [letter is None for letter in await resolutions(database)] == [True] * 4 + [
        False,
        True,
        True,
        False,
    ]


async def test_what_is_sent_and_not_committed_is_sent_again_and_never_lost(
    database: Database, settings: Settings
) -> None:
    await messages(database, *range(5))
    world = World(Unavailable("RabbitMQ did not answer"))

    job = await redrive(database, settings, world)

    assert (job.state, job.done, job.refused) == ("done", 5, 0)
    assert world.enqueued == [0, 1, 2, 0, 1, 2, 3, 4]
    assert set(await resolutions(database)) == {"redriven"}


async def test_a_step_sends_few_messages_and_few_bytes(
    database: Database, settings: Settings
) -> None:
    await messages(database, *range(120))
    await given_up(database, *(bytes([number]) * 3_000_000 for number in range(5)))
    job = await jobs.begin(database, settings, REDRIVE, RedriveLetters())
    world, steps = World(), []

    while job.state == "running":
        before = len(world.enqueued), len(world.published)
        await job_rows.make_due(database)
        job = await services.jobs.step(database, world.outside(settings), job_id=job.id) or job
        steps.append((len(world.enqueued) - before[0], len(world.published) - before[1]))

    assert job.done == 125
    assert max(sent for sent, _ in steps) <= 50
    assert max(published for _, published in steps) <= 2
    assert world.enqueued == list(range(120))


async def test_a_job_of_a_group_or_a_filter_leaves_the_others_and_what_comes_later(
    database: Database, settings: Settings
) -> None:
    endpoint = await deliveries(database)
    await messages(database, 1, 2)
    like = (await letter_rows.every(database))[0]["id"]
    group = await jobs.begin(database, settings, REDRIVE, RedriveLetters(like=like))
    one = await jobs.begin(database, settings, REDRIVE, RedriveLetters(order="SO-2"))
    await messages(database, 3)
    all_of_now = await jobs.begin(database, settings, REDRIVE, RedriveLetters(kind="message"))
    await messages(database, 4)
    world = World()

    one = await jobs.finish(database, one, world.outside(settings))
    group = await jobs.finish(database, group, world.outside(settings))
    all_of_now = await jobs.finish(database, all_of_now, world.outside(settings))

    assert (one.total, one.done) == (1, 1)
    assert (group.total, group.done, group.filter["endpoint_id"]) == (4, 3, str(endpoint))
    assert (all_of_now.total, world.enqueued) == (3, [1, 2, 3])
    assert (await resolutions(database))[-1] is None


async def test_a_group_of_a_letter_that_is_decided_is_no_group(
    database: Database, settings: Settings
) -> None:
    with pytest.raises(NotFound):
        await jobs.begin(database, settings, REDRIVE, RedriveLetters(like=7))


async def test_a_job_discards_with_its_note_and_orders_go_on(
    database: Database, settings: Settings
) -> None:
    await scenario.add_endpoint(database)
    placed = [await scenario.place(database, f"SO-{number}") for number in range(2)]
    events = await scenario.events(database)
    for event in events:
        await outbox_rows.park(database, event.event_id)
    await letter_rows.add_of_every_event(database)
    await messages(database, 1)

    job = await jobs.begin(database, settings, DISCARD, DiscardLetters(note="a rehearsal"))
    job = await jobs.finish(database, job, World().outside(settings))

    assert (job.state, job.done, job.refused) == ("done", 3, 0)
    letters = await letter_rows.every(database)
    assert {(each["resolution"], each["note"]) for each in letters} == {
        ("discarded", "a rehearsal")
    }
    assert await outbox_rows.count(database) == 0
    assert len(placed) == 2


async def test_an_order_whose_processing_is_discarded_by_a_job_fails(
    database: Database, settings: Settings
) -> None:
    order = await scenario.place(database)
    await scenario.record(
        database, await scenario.events(database), wanted={"process_order": "order.created"}
    )
    await order_rows.set_status(database, order.order_id, "in_progress")
    await letter_rows.give_up_consumptions(database)

    job = await jobs.begin(database, settings, DISCARD, DiscardLetters(note="no stock"))
    job = await jobs.finish(database, job, World().outside(settings))

    assert (job.done, job.refused) == (1, 0)
    assert await order_rows.statuses(database) == ["failed"]


async def test_two_jobs_over_the_same_letters_share_them(
    database: Database, settings: Settings
) -> None:
    await deliveries(database, 30)
    both = [await jobs.begin(database, settings, REDRIVE, RedriveLetters()) for _ in range(2)]
    world = World()

    done = await asyncio.gather(
        *(jobs.finish(database, job, world.outside(settings)) for job in both)
    )

    assert [job.state for job in done] == ["done", "done"]
    assert sum(job.done for job in done) == 30
    assert sum(job.refused for job in done) == 0

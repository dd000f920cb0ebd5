"""One process publishes what is due: together what came together, side by side what is too much."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest

from orderbus import services, storage
from orderbus.pubsub.messages import Message
from orderbus.services.outbox import Relay
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.support import outbox_rows, scenario, statements
from tests.support.waiting import PATIENCE
from tests.support.worker_process import Start

BATCH = 5


class Topic:
    """Takes as many batches as are ``let``, and remembers how many messages each had."""

    def __init__(self) -> None:
        self.let = asyncio.Semaphore(0)
        self.asked = asyncio.Semaphore(0)
        self.batches: list[int] = []

    async def publish(self, messages: Sequence[Message], **_: Any) -> list[str]:
        self.batches.append(len(messages))
        self.asked.release()
        await self.let.acquire()
        return [message.attributes["ce-id"] for message in messages]

    def take(self, batches: int = 100) -> None:
        for _ in range(batches):
            self.let.release()

    async def is_asked(self, times: int) -> None:
        async with asyncio.timeout(PATIENCE):
            for _ in range(times):
                await self.asked.acquire()


@pytest.fixture
def topic() -> Topic:
    return Topic()


@pytest.fixture
def relay(database: Database, settings: Settings, topic: Any) -> Relay:
    return Relay(database, topic, settings.model_copy(update={"relay_batch": BATCH}))


async def place(database: Database, count: int) -> None:
    for _ in range(count):
        await scenario.place(database)


async def test_more_than_a_batch_is_published_side_by_side(
    database: Database, relay: Relay, topic: Topic
) -> None:
    await place(database, 4 * BATCH + 2)

    taking = asyncio.create_task(relay.take_due())
    await topic.is_asked(1)
    alone = list(topic.batches)
    topic.take(1)
    await topic.is_asked(4)  # none of which is taken yet
    topic.take()
    await taking

    assert alone == [BATCH], "nobody knows yet that there are more"
    assert sorted(topic.batches) == [2, *[BATCH] * 4]
    assert await outbox_rows.are_all_published(database)


async def test_what_comes_while_a_batch_is_under_way_goes_together(
    database: Database, relay: Relay, topic: Topic
) -> None:
    await place(database, 1)
    taking = asyncio.create_task(relay.take_due())
    await topic.is_asked(1)
    relay.woken.clear()
    await place(database, 3)
    topic.take()
    await taking

    assert relay.woken.is_set(), "what this process commits wakes it up"
    await relay.take_due()
    assert topic.batches == [1, 3]


async def test_a_batch_under_way_is_written_down_though_nothing_more_is_asked_for(
    database: Database, relay: Relay, topic: Topic
) -> None:
    await place(database, 2 * BATCH)
    taking = asyncio.create_task(relay.take_due())
    await topic.is_asked(1)

    taking.cancel()
    await asyncio.wait([taking])
    topic.take()
    await relay.idle()

    assert topic.batches == [BATCH], "and no other one is begun"
    published = await outbox_rows.message_ids(database)
    assert sum(each is not None for each in published) == BATCH


async def test_suspects_are_looked_for_once_a_second_at_most(
    database: Database, relay: Relay, topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic.take()
    now = [1000.0]
    monkeypatch.setattr(services.outbox, "clock", lambda: now[0])
    leases = []
    for pause in (0.0, 0.5, 0.6):
        now[0] += pause
        with statements.recorded() as sent:
            await relay.publish_due()
        leases.append(len(sent))

    assert leases == [2, 1, 2]


async def test_the_relay_waits_for_no_disk_and_whoever_records_does(
    database: Database,
) -> None:
    await place(database, 1)
    setting = "SELECT current_setting('synchronous_commit')"
    found = {}
    async with database.transaction() as connection:
        token = uuid4()
        (leased,) = await storage.outbox.lease(connection, token, at_most=9, length=scenario.LEASE)
        found["lease"] = await connection.fetchval(setting)
    async with database.transaction() as connection:
        await storage.outbox.settle(
            connection,
            token,
            published={leased.event_id: "m"},
            given_back=[],
            again_after=scenario.NO_TIME,
        )
        found["settle"] = await connection.fetchval(setting)
    async with database.transaction() as connection:
        await services.inbox.record(connection, await scenario.events(database), wanted={})
        found["record"] = await connection.fetchval(setting)

    assert found == {"lease": "off", "settle": "off", "record": "on"}


async def test_a_worker_that_does_not_publish_tells_those_that_do(
    database: Database, start: Start
) -> None:
    async with database.listening("outbox") as heard:
        start("--queues", "count_event")

        assert await heard(PATIENCE)

"""What is committed is published: leases, the breaker, parking, and what Pub/Sub loses."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from orderbus import services, storage
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.support import letter_rows, outbox_rows, scenario
from tests.support.topic import Topic


@pytest.fixture
def topic() -> Topic:
    return Topic()


async def publish(database: Database, topic: Any, settings: Settings) -> int:
    return await services.outbox.Relay(database, topic, settings).publish_due()


async def test_a_leased_batch_is_nobody_elses_until_the_lease_ends(database: Database) -> None:
    for _ in range(3):
        await scenario.place(database)

    first = await scenario.lease(database)
    second = await scenario.lease(database)
    await outbox_rows.make_due(database)  # the lease ends
    third = await scenario.lease(database)

    assert (len(first), len(second)) == (3, 0)
    assert {leased.event_id for leased in third} == {leased.event_id for leased in first}


async def test_a_published_pointer_stays_until_the_bridge_has_the_event(
    database: Database, settings: Settings, topic: Topic
) -> None:
    await scenario.place(database)

    await publish(database, topic, settings)
    waiting = await outbox_rows.message_ids(database)
    await scenario.come_back(database, *await scenario.events(database))

    assert waiting == ["m-1"]
    assert await outbox_rows.count(database) == 0


async def test_one_bad_row_parks_itself_and_all_others_go_on(
    database: Database, settings: Settings, topic: Topic
) -> None:
    for _ in range(5):
        await scenario.place(database)
    bad = (await scenario.events(database))[2].event_id
    topic.refused = {str(bad)}

    assert await publish(database, topic, settings) == 4
    async with database.connection() as connection:
        (letter,) = await letter_rows.listed(connection, kind="outbox")

    assert (letter.event_id, letter.reason) == (bad, "refused_by_pubsub")
    assert await publish(database, topic, settings) == 0


async def test_an_event_whose_order_cannot_be_announced_parks_itself(
    database: Database, settings: Settings, topic: Topic
) -> None:
    order = await scenario.place(database)
    async with database.transaction() as connection:
        locked = await storage.orders.lock(connection, order.order_id)
        odd = storage.events.Happened(locked.order_pk, "order.odd", "test", content={})
        await storage.events.append(connection, [odd])

    published = await publish(database, topic, settings)

    assert published == 1
    assert await letter_rows.reasons(database) == ["unencodable"]


async def test_a_redriven_parked_event_is_published(
    database: Database, settings: Settings, topic: Topic
) -> None:
    await scenario.place(database)
    bad = (await scenario.events(database))[0].event_id
    topic.refused = {str(bad)}
    await publish(database, topic, settings)
    letter = await letter_rows.only_id(database)
    topic.refused = set()

    async with database.transaction() as connection:
        await services.dead_letters.redrive(connection, letter)

    assert await publish(database, topic, settings) == 1


async def test_a_discarded_parked_event_lets_its_orders_later_events_go(
    database: Database, settings: Settings, topic: Topic
) -> None:
    await scenario.add_endpoint(database)
    order = await scenario.place(database)
    await scenario.append(database, order)
    first, second = await scenario.events(database)
    topic.refused = {str(first.event_id)}
    await publish(database, topic, settings)
    held_back = await scenario.come_back(database, second)
    letter = await letter_rows.only_id(database)

    freed = await letter_rows.discard(database, letter, note="test order")

    assert held_back == []
    assert len(freed) == 1


async def test_while_pubsub_is_away_nobody_is_charged_and_one_probe_goes_at_a_time(
    database: Database, settings: Settings, topic: Topic
) -> None:
    for _ in range(20):
        await scenario.place(database)
    topic.away = True
    await publish(database, topic, settings)

    await outbox_rows.end_pauses(database)
    leased = [len(await scenario.lease(database)) for _ in range(20)]

    assert leased == [1] + [0] * 19
    assert await letter_rows.count(database) == 0
    assert await outbox_rows.max_publishes(database) == 0


async def test_everything_is_published_once_pubsub_is_back(
    database: Database, settings: Settings, topic: Topic
) -> None:
    for _ in range(20):
        await scenario.place(database)
    topic.away = True
    await publish(database, topic, settings)
    topic.away = False

    await outbox_rows.end_pauses(database)
    published = [await publish(database, topic, settings) for _ in range(3)]

    assert published == [1, 19, 0]
    assert len(set(topic.taken)) == 20


async def test_a_pointer_that_keeps_killing_its_relay_is_taken_alone_and_then_parked(
    database: Database, settings: Settings, topic: Topic
) -> None:
    for _ in range(3):
        await scenario.place(database)
    killer = (await scenario.events(database))[1].event_id
    await outbox_rows.lease_in_vain(database, killer, 3)

    async with database.connection() as connection:
        alone = await storage.outbox.lease(
            connection, uuid4(), at_most=9, length=timedelta(0), suspects=True
        )
    await outbox_rows.lease_in_vain(database, killer, 8)
    for _ in range(4):
        await outbox_rows.end_pauses(database)
        await publish(database, topic, settings)

    assert len(topic.taken) == 2
    assert [leased.event_id for leased in alone] == [killer]
    assert await letter_rows.reasons(database) == ["crashed"]


async def test_however_many_may_have_killed_their_relay_the_others_are_published_at_once(
    database: Database, settings: Settings, topic: Topic
) -> None:
    for _ in range(30):
        await scenario.place(database)
    for event in (await scenario.events(database))[:20]:
        await outbox_rows.lease_in_vain(database, event.event_id, 3)

    first = await publish(database, topic, settings)
    later = [await publish(database, topic, settings) for _ in range(20)]

    assert first == 11
    assert later == [1] * 19 + [0]


async def test_a_suspect_is_the_probe_where_nothing_else_is_due(
    database: Database, settings: Settings, topic: Topic
) -> None:
    await scenario.place(database)
    topic.away = True
    await publish(database, topic, settings)
    (event,) = await scenario.events(database)
    await outbox_rows.lease_in_vain(database, event.event_id, 3)
    topic.away = False

    await outbox_rows.end_pauses(database)

    assert await publish(database, topic, settings) == 1


async def test_when_the_subscription_is_gone_everything_on_its_way_is_published_again(
    database: Database, settings: Settings, topic: Topic
) -> None:
    for _ in range(7):
        await scenario.place(database)
    await publish(database, topic, settings)

    assert await services.lost_events.take_back_all(database) == 7
    assert await publish(database, topic, settings) == 7

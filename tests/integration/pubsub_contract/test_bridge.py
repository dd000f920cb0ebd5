"""Back from Pub/Sub, through every trouble that both servers can have."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from orderbus.errors import Unavailable
from orderbus.pubsub import topology
from orderbus.pubsub.publisher import open_publisher
from orderbus.settings import Settings
from tests.integration.pubsub_contract.pubsub import (
    SHORT,
    Inbox,
    Server,
    at,
    bridging,
    clients,
    numbered,
    publish_until_it_works,
    published,
    publishing,
    until,
)
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.once


async def test_everything_published_comes_back_once_with_its_attributes(settings: Settings) -> None:
    inbox = Inbox()
    before = datetime.now(UTC) - timedelta(seconds=5)

    async with publishing(settings) as publisher, bridging(settings, inbox):
        ids = await published(publisher, numbered(500))
        await until(lambda: len(inbox.numbers) >= 500)

    assert sorted(inbox.numbers) == list(range(500))
    assert {message.message_id for message in inbox.messages} == set(ids)
    assert {message.data for message in inbox.messages} == {b"{}"}
    assert all(before < message.published_at < datetime.now(UTC) for message in inbox.messages)


async def test_a_lone_message_is_handled_although_no_other_comes(settings: Settings) -> None:
    inbox = Inbox()
    async with publishing(settings) as publisher, bridging(settings, inbox):
        await until(lambda: inbox.up)
        for number in range(20):
            await published(publisher, numbered(1, start=number))
            await until(lambda: len(inbox.numbers) > number)  # noqa: B023 - awaited here

    assert inbox.batches == [[number] for number in range(20)]


async def test_a_batch_holds_what_the_settings_allow(pubsub_host: str) -> None:
    settings, inbox = at(pubsub_host, bridge_batch=7), Inbox()

    async with publishing(settings) as publisher, bridging(settings, inbox):
        await published(publisher, numbered(50))
        await until(lambda: len(inbox.numbers) >= 50)

    assert max(map(len, inbox.batches)) == 7


async def test_an_unavailable_handler_gets_the_same_batch_again_and_it_is_acked_once(
    settings: Settings, acked: Counter[str]
) -> None:
    inbox = Inbox(Unavailable("PostgreSQL is away"), Unavailable("still away"))

    async with publishing(settings) as publisher, bridging(settings, inbox):
        await published(publisher, numbered(5))
        await until(lambda: len(inbox.numbers) >= 5)
        await until(lambda: len(acked) >= 5)

    assert inbox.tries[0] == inbox.tries[1] == inbox.tries[2]
    assert sorted(inbox.numbers) == list(range(5))
    assert set(acked.values()) == {1}


async def test_what_is_put_off_is_handed_over_again_and_everything_else_is_acked_meanwhile(
    settings: Settings, acked: Counter[str]
) -> None:
    inbox = Inbox()
    inbox.puts_off = lambda message: message.attributes["n"] == "3"

    async with publishing(settings) as publisher, bridging(settings, inbox):
        await published(publisher, numbered(10))
        await until(lambda: sum(acked.values()) == 9)
        await until(lambda: [n for batch in inbox.tries for n in batch].count(3) >= 2)
        inbox.puts_off = lambda _: False
        await until(lambda: sum(acked.values()) == 10)

    assert sorted(inbox.numbers) == list(range(10))
    assert set(acked.values()) == {1}


async def test_a_batch_that_takes_longer_than_the_ack_deadline_does_not_come_again(
    settings: Settings,
) -> None:
    inbox = Inbox()
    inbox.free.clear()
    async with publishing(settings) as publisher, bridging(settings, inbox):
        await published(publisher, numbered(3))
        await until(lambda: bool(inbox.tries))
        asyncio.get_running_loop().call_later(topology.ACK_DEADLINE + 3, inbox.free.set)
        await until(inbox.free.is_set)
        await published(publisher, numbered(1, start=99))
        await until(lambda: 99 in inbox.numbers)

    assert sorted(inbox.numbers) == [0, 1, 2, 99]


async def test_a_fault_of_the_handler_ends_the_stream_and_acks_nothing(
    settings: Settings, acked: Counter[str]
) -> None:
    async with publishing(settings) as publisher:
        await published(publisher, numbered(1))
        async with bridging(settings, Inbox(RuntimeError("a bug"))) as streaming:
            with pytest.raises(RuntimeError, match="a bug"):
                async with asyncio.timeout(PATIENCE):
                    await streaming

    assert not acked


async def test_a_missing_subscription_is_made_and_told_of(settings: Settings) -> None:
    inbox = Inbox()

    async with bridging(settings, inbox, ensured=False), open_publisher(settings) as publisher:
        await until(lambda: inbox.up)
        await published(publisher, numbered(1))
        await until(lambda: inbox.numbers == [0])

    assert inbox.made == 1


async def test_a_subscription_that_vanishes_is_made_again_and_told_of(settings: Settings) -> None:
    inbox = Inbox()
    async with publishing(settings) as publisher, bridging(settings, inbox):
        await until(lambda: inbox.up)
        _, google = clients(settings)
        google.delete_subscription(subscription=topology.subscription_path(settings))
        google.close()

        await until(lambda: inbox.made == 1)
        await published(publisher, numbered(3))
        await until(lambda: len(inbox.numbers) >= 3)


async def test_a_subscription_that_another_process_made_again_is_told_of_too(
    settings: Settings,
) -> None:
    inbox = Inbox()
    async with publishing(settings) as publisher, bridging(settings, inbox):
        await until(lambda: inbox.up)
        _, google = clients(settings)
        google.delete_subscription(subscription=topology.subscription_path(settings))
        await topology.ensure(settings)
        google.close()

        await until(lambda: inbox.made == 1)
        await published(publisher, numbered(3))
        await until(lambda: len(inbox.numbers) >= 3)

    assert inbox.made == 1


async def test_a_deleted_topic_does_not_leave_the_subscription_silent(settings: Settings) -> None:
    inbox = Inbox()
    async with publishing(settings) as publisher, bridging(settings, inbox):
        await until(lambda: inbox.up)
        google, _ = clients(settings)
        google.delete_topic(topic=topology.topic_path(settings))
        google.transport.close()

        await until(lambda: inbox.made == 1)
        await publish_until_it_works(publisher, numbered(3))
        await until(lambda: set(inbox.numbers) == {0, 1, 2})


async def test_a_pubsub_that_comes_back_empty_is_filled_again(
    restartable: Server,
) -> None:
    settings, inbox = at(restartable.host), Inbox()
    async with publishing(settings) as publisher, bridging(settings, inbox):
        await published(publisher, numbered(3))
        await until(lambda: len(inbox.numbers) >= 3)
        restartable.stop()
        await until(lambda: not inbox.up)
        assert not isinstance((await publisher.publish(numbered(1), deadline=SHORT))[0], str)

        restartable.start()
        await until(lambda: inbox.up and inbox.made == 1)
        await publish_until_it_works(publisher, numbered(200, start=100))
        await until(lambda: len(inbox.numbers) >= 203)

    assert sorted(inbox.numbers) == [0, 1, 2, *range(100, 300)]


async def generation(settings: Settings) -> str | None:
    """Say which generation of the subscription is there, None where there is none or no answer."""
    _, subscriber = clients(settings)
    try:
        return await asyncio.to_thread(topology.find, subscriber, settings)
    except Unavailable:
        return None
    finally:
        subscriber.close()


async def test_a_batch_under_way_while_pubsub_restarts_acknowledges_no_other_message(
    restartable: Server,
) -> None:
    settings, inbox = at(restartable.host), Inbox()
    inbox.free.clear()
    async with publishing(settings) as publisher, bridging(settings, inbox):
        await published(publisher, numbered(20))
        await until(lambda: bool(inbox.tries))
        before = await generation(settings)
        restartable.stop()
        restartable.start()
        # The new generation numbers its ack ids from 1 again, as the old one did.
        async with asyncio.timeout(PATIENCE):
            while await generation(settings) in {None, before}:
                await asyncio.sleep(0.1)
        await publish_until_it_works(publisher, numbered(20, start=100))
        inbox.free.set()
        await until(lambda: len(set(inbox.numbers)) >= 40)

    assert set(inbox.numbers) == {*range(20), *range(100, 120)}


async def test_a_subscription_made_while_the_database_was_away_is_told_of_later(
    settings: Settings,
) -> None:
    inbox = Inbox()
    told: list[bool] = []

    async def take_back_all(_: object) -> int:
        told.append(len(told) == 2)
        if not told[-1]:
            away = "PostgreSQL is away"
            raise Unavailable(away)
        return 0

    inbox.take_back_all = take_back_all  # type: ignore[method-assign]
    async with bridging(settings, inbox, ensured=False):
        await until(lambda: True in told)

    assert told == [False, False, True]

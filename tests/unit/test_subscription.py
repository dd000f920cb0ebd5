"""How messages wait and are handed out, without any Pub/Sub."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from google.pubsub_v1.types import PubsubMessage, ReceivedMessage

from orderbus.pubsub.subscription import Received, Subscription
from tests.support import forced
from tests.support.subscriber_client import Client, trusted
from tests.support.waiting import PATIENCE


def coming(count: int) -> list[Any]:
    return [
        ReceivedMessage.pb(
            ReceivedMessage(
                ack_id=str(n), message=PubsubMessage(data=b"x", attributes={"n": str(n)})
            )
        )
        for n in range(count)
    ]


def numbers(messages: list[Received]) -> list[str]:
    return [message.attributes["n"] for message in messages]


async def test_messages_that_came_together_are_one_batch_up_to_its_size() -> None:
    subscription = Subscription(trusted(Client()), at_most=1000)

    subscription.add(coming(25))

    assert numbers(await subscription.next_batch(10)) == [str(n) for n in range(10)]
    assert len(await subscription.next_batch(10)) == 10
    assert len(await subscription.next_batch(10)) == 5


async def test_a_batch_takes_in_what_comes_right_behind_its_first_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    subscription = Subscription(trusted(Client()), at_most=100)
    subscription.add(coming(50))
    await subscription.next_batch(50)
    forced.gather_slowly(monkeypatch)
    subscription.add(coming(1))
    asyncio.get_running_loop().call_soon(subscription.add, coming(3))

    assert len(await subscription.next_batch(4)) == 4


async def test_streams_are_read_only_while_there_is_room() -> None:
    subscription = Subscription(trusted(Client()), at_most=20)

    subscription.add(coming(19))
    assert subscription.room.is_set()
    subscription.add(coming(1))
    assert not subscription.room.is_set()
    await subscription.next_batch(10)

    assert subscription.room.is_set()


async def test_what_waits_at_the_end_is_given_back() -> None:
    client = Client()
    leases = trusted(client)
    subscription = Subscription(leases, at_most=1000)
    subscription.add(coming(2))

    subscription.close()
    await leases.settle()

    assert client.told == [("deadline 0", ["0", "1"])]


async def test_what_is_put_off_comes_again_and_takes_no_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    forced.put_messages_off_for(monkeypatch, seconds=0.01)
    subscription = Subscription(trusted(Client()), at_most=3)
    subscription.add(coming(2))
    first = await subscription.next_batch(10)

    subscription.settle(first, later=first)
    subscription.add(coming(1))
    assert subscription.room.is_set()
    again = [*await subscription.next_batch(10)]
    async with asyncio.timeout(PATIENCE):
        while len(again) < 3:
            again += await subscription.next_batch(10)

    assert sorted(numbers(again)) == ["0", "0", "1"]


async def test_what_is_put_off_is_given_back_at_the_end() -> None:
    client = Client()
    leases = trusted(client)
    subscription = Subscription(leases, at_most=2)
    subscription.add(coming(2))

    batch = await subscription.next_batch(2)
    subscription.settle(batch, later=batch)
    subscription.close()
    await leases.settle()

    assert client.told == [("deadline 0", ["0", "1"])]


async def test_too_much_that_is_put_off_comes_again_when_its_lease_has_run_out_and_not_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    forced.extend_leases_every(monkeypatch, seconds=0.05)
    client = Client()
    leases = trusted(client)
    subscription = Subscription(leases, at_most=2)
    subscription.add(coming(3))

    batch = await subscription.next_batch(3)
    subscription.settle(batch, later=batch)
    keeping = asyncio.create_task(leases.keep())
    async with asyncio.timeout(PATIENCE):
        while not client.told:
            await asyncio.sleep(0.01)
    keeping.cancel()

    ((what, ack_ids), *_) = client.told
    assert (what, sorted(ack_ids)) == ("deadline 10", ["0", "1"])


async def _is_handed_out_at_once(subscription: Subscription) -> bool:
    batch = asyncio.create_task(subscription.next_batch(100))
    for _ in range(5):
        await asyncio.sleep(0)
    at_once = batch.done()
    batch.cancel()
    return at_once


async def test_a_message_that_comes_alone_waits_for_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    forced.gather_for_ever(monkeypatch)
    subscription = Subscription(trusted(Client()), at_most=100)

    for _ in range(2):
        subscription.add(coming(1))
        assert await _is_handed_out_at_once(subscription)


async def test_a_message_behind_many_waits_for_those_that_follow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    forced.gather_for_ever(monkeypatch)
    subscription = Subscription(trusted(Client()), at_most=100)
    subscription.add(coming(50))
    assert await _is_handed_out_at_once(subscription)

    subscription.add(coming(1))

    assert not await _is_handed_out_at_once(subscription)

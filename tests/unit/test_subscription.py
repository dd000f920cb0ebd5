"""How messages wait, stay ours and are settled, without any Pub/Sub."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from google.api_core import exceptions
from google.pubsub_v1.types import PubsubMessage, ReceivedMessage

from orderbus.pubsub.leases import Leases
from orderbus.pubsub.subscription import Received, Subscription
from tests.support import forced
from tests.support.waiting import PATIENCE


def google_error(kind: Any) -> Exception:
    error: Exception = kind("as Google says it")  # their classes are untyped
    return error


class Client:
    """Stands in for the subscriber client: remembers what it was told."""

    def __init__(self, *errors: Exception) -> None:
        self.told: list[tuple[str, list[str]]] = []
        self._errors = list(errors)

    def acknowledge(self, *, request: dict[str, Any], **_: Any) -> None:
        self._tell("ack", request)

    def modify_ack_deadline(self, *, request: dict[str, Any], **_: Any) -> None:
        self._tell(f"deadline {request['ack_deadline_seconds']}", request)

    def _tell(self, what: str, request: dict[str, Any]) -> None:
        if self._errors:
            raise self._errors.pop(0)
        self.told.append((what, request["ack_ids"]))


def trusted(client: Client) -> Leases:
    leases = Leases(client, "projects/p/subscriptions/s")
    leases.trust()
    return leases


def hold(leases: Leases, *ack_ids: str) -> list[tuple[Callable[[], None], Callable[[], None]]]:
    return [leases.hold(ack_id)[:2] for ack_id in ack_ids]


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


async def test_a_batch_is_acknowledged_in_one_request() -> None:
    client = Client()
    leases = trusted(client)

    for ack, _ in hold(leases, "a", "b", "c"):
        ack()
    await leases.settle()

    assert client.told == [("ack", ["a", "b", "c"])]


async def test_a_message_is_settled_once_whatever_is_said_of_it_later() -> None:
    client = Client()
    leases = trusted(client)
    ((ack, nack),) = hold(leases, "a")

    for say in (ack, ack, nack):
        say()
    await leases.settle()
    await leases.settle()

    assert client.told == [("ack", ["a"])]


async def test_what_is_given_back_comes_to_another_at_once() -> None:
    client = Client()
    leases = trusted(client)
    ((_, nack),) = hold(leases, "a")

    nack()
    await leases.settle()

    assert client.told == [("deadline 0", ["a"])]


async def test_a_request_carries_no_more_than_a_thousand() -> None:
    client = Client()
    leases = trusted(client)

    for ack, _ in hold(leases, *map(str, range(2500))):
        ack()
    await leases.settle()

    assert [len(ack_ids) for _, ack_ids in client.told] == [1000, 1000, 500]


async def test_an_old_acknowledgement_never_goes_to_a_new_generation_of_the_subscription() -> None:
    client = Client()
    leases = trusted(client)
    ((early, _), (late, _)) = hold(leases, "1", "2")

    early()
    leases.forget()
    hold(leases, "1", "2")
    late()
    await leases.settle()

    assert client.told == []


async def test_in_doubt_nothing_is_said_and_afterwards_all_of_it() -> None:
    client = Client()
    leases = trusted(client)
    ((ack, _),) = hold(leases, "a")

    leases.doubt()
    ack()
    await leases.settle()
    assert client.told == []
    leases.trust()
    await leases.settle()

    assert client.told == [("ack", ["a"])]


async def test_an_acknowledgement_that_found_nobody_is_sent_again() -> None:
    client = Client(google_error(exceptions.ServiceUnavailable))
    leases = trusted(client)
    ((ack, _),) = hold(leases, "a")

    ack()
    await leases.settle()
    await leases.settle()

    assert client.told == [("ack", ["a"])]


async def test_a_refused_acknowledgement_is_left_at_that() -> None:
    client = Client(google_error(exceptions.InvalidArgument))
    leases = trusted(client)
    ((ack, _),) = hold(leases, "a")

    ack()
    await leases.settle()
    await leases.settle()

    assert client.told == []


async def test_what_is_held_is_extended_and_what_is_settled_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    forced.extend_leases_every(monkeypatch, seconds=0.05)
    client = Client()
    leases = trusted(client)
    (_, (ack, _)) = hold(leases, "held", "settled")
    ack()

    keeping = asyncio.create_task(leases.keep())
    async with asyncio.timeout(PATIENCE):
        while len(client.told) < 3:
            await asyncio.sleep(0.01)
    keeping.cancel()

    assert client.told[0] == ("ack", ["settled"])
    assert client.told[1:3] == [("deadline 10", ["held"])] * 2


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
    async with asyncio.timeout(5):
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

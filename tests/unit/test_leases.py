"""How messages stay ours and are settled, without any Pub/Sub."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from google.api_core import exceptions

from orderbus.pubsub.leases import Leases
from tests.support import forced
from tests.support.subscriber_client import Client, trusted
from tests.support.waiting import PATIENCE


def google_error(kind: Any) -> Exception:
    error: Exception = kind("as Google says it")  # their classes are untyped
    return error


def hold(leases: Leases, *ack_ids: str) -> list[tuple[Callable[[], None], Callable[[], None]]]:
    return [leases.hold(ack_id)[:2] for ack_id in ack_ids]


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

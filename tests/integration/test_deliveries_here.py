"""What goes wrong on our own side costs no endpoint and no order anything."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from orderbus import services, storage
from orderbus.domain import retries
from orderbus.egress import exchange
from orderbus.egress.session import Session
from orderbus.errors import Unavailable
from orderbus.services.deliveries import Sender
from orderbus.settings import Settings
from orderbus.storage.database import Database, open_database
from tests.support import delivery_rows, forced, letter_rows, scenario
from tests.support.receiver import Receiver
from tests.support.scenario import NO_TIME, deliver, one_due, state
from tests.support.waiting import until_here


async def test_a_worker_that_died_leaves_an_attempt_of_which_nobody_knows_the_end(
    database: Database,
) -> None:
    due = await one_due(database, "https://shop.example/")
    await scenario.claim(database, due, lease=NO_TIME)

    again = await scenario.claim(database, due)

    assert again is not None
    assert (again.attempt, again.crashes) == (2, 1)
    assert await delivery_rows.outcomes(database) == ["unknown", None]


async def test_a_delivery_that_keeps_killing_its_worker_is_dead_as_crashed(
    database: Database, settings: Settings, http: Session, receiver: Receiver
) -> None:
    due = await one_due(database, receiver.url)
    for _ in range(retries.CRASHES_ALLOWED):
        await scenario.claim(database, due, lease=NO_TIME)

    await deliver(database, http, settings)

    assert receiver.requests == []
    assert (await letter_rows.only(database))["reason"] == "crashed"


async def test_a_delivery_that_fails_in_our_own_code_is_tried_again_uncharged_then_dead(
    database: Database,
    settings: Settings,
    http: Session,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    due = await one_due(database, receiver.url)

    async def broken(*_: Any, **__: Any) -> None:
        bug = "a bug\0\ud800"  # neither of them can be kept
        raise ZeroDivisionError(bug)

    monkeypatch.setattr(exchange, "post", broken)
    seen = []
    for _ in range(retries.CRASHES_ALLOWED):
        await delivery_rows.make_due(database)
        await deliver(database, http, settings)
        row = await state(database, due)
        seen.append((row["state"], row["attempts"], row["crashes"], row["lease"]))

    assert seen[0] == ("pending", 0, 1, None)
    assert seen[-1][0] == "dead"
    letter = await letter_rows.only(database)
    assert (letter["reason"], letter["error"]) == ("failed_here", "ZeroDivisionError: a bug\ufffd?")


async def test_a_settlement_waits_for_a_database_that_is_away(
    database: Database,
    settings: Settings,
    http: Session,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    due = await one_due(database, receiver.url)
    settle, tries = storage.deliveries.settle, []

    async def away_at_first(*arguments: Any) -> Any:
        tries.append(arguments)
        if len(tries) < 3:
            away = "PostgreSQL is away"
            raise Unavailable(away)
        return await settle(*arguments)

    monkeypatch.setattr(storage.deliveries, "settle", away_at_first)
    await deliver(database, http, settings)

    assert len(receiver.requests) == 1
    assert (await state(database, due))["state"] == "delivered"


async def test_a_claim_whose_answer_was_lost_is_taken_up_again_uncharged(
    database: Database,
) -> None:
    await one_due(database, "https://shop.example/")
    lease = uuid4()
    async with database.connection() as connection:
        (first,), (again,) = [
            await storage.deliveries.claim(
                connection,
                lease=lease,
                length=scenario.LEASE,
                in_flight={},
                otherwise=1,
                at_most=9,
            )
            for _ in range(2)
        ]

    assert (first.attempt, first.number, first.crashes) == (1, 1, 0)
    assert (again.attempt, again.number, again.crashes) == (1, 1, 0)
    assert await delivery_rows.count_attempts(database) == 1


async def test_a_delivery_that_may_have_killed_its_worker_is_attempted_alone(
    database: Database, settings: Settings, http: Session, receiver: Receiver
) -> None:
    suspect = await one_due(database, receiver.url)
    for _ in range(retries.CRASHES_UNSUSPECTED):
        await scenario.claim(database, suspect, lease=NO_TIME)
    await scenario.place(database)
    (first,) = await scenario.come_back(database, *(await scenario.events(database))[1:])
    receiver.may_answer.clear()
    patient = settings.model_copy(update={"delivery_lease": scenario.LEASE})

    delivering = asyncio.create_task(deliver(database, http, patient))
    await until_here(lambda: receiver.requests, "one of them is asked")
    before_it_ended = len(receiver.requests)
    receiver.may_answer.set()
    await delivering

    assert before_it_ended == 1
    rows = [await state(database, one) for one in (suspect, first)]
    assert [(row["state"], row["crashes"]) for row in rows] == [("delivered", 0)] * 2


async def test_of_two_suspects_one_is_attempted_and_the_other_is_charged_nothing_for_it(
    database: Database, settings: Settings, http: Session, receiver: Receiver
) -> None:
    """It would be taken along by the one that kills the worker, and look as guilty each time."""
    await scenario.add_endpoint(database, receiver.url)
    for _ in range(2):
        await scenario.place(database)
    suspects = await scenario.come_back(database, *await scenario.events(database))
    for suspect in suspects:
        for _ in range(retries.CRASHES_UNSUSPECTED):
            await scenario.claim(database, suspect, lease=NO_TIME)
    before = {one: (await state(database, one))["attempts"] for one in suspects}
    receiver.may_answer.clear()
    delivering = asyncio.create_task(deliver(database, http, settings))
    await until_here(lambda: receiver.requests, "one of them is asked")
    rows = {one: await state(database, one) for one in suspects}
    receiver.may_answer.set()
    asked = len(receiver.requests)
    await delivering

    charged = sorted(rows[one]["attempts"] - before[one] for one in suspects)
    assert (asked, charged) == (1, [0, 1])
    assert await delivery_rows.states(database) == ["delivered"] * 2


async def test_a_worker_told_to_stop_hands_its_delivery_back_uncharged(
    database: Database, settings: Settings, http: Session, receiver: Receiver
) -> None:
    due = await one_due(database, receiver.url)
    receiver.may_answer.clear()
    delivering = asyncio.create_task(deliver(database, http, settings))
    await until_here(lambda: receiver.requests, "it is asked")

    delivering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await delivering

    row = await state(database, due)
    assert (row["attempts"], row["lease"], row["state"]) == (0, None, "pending")


async def test_a_hundred_exchanges_under_way_are_all_handed_back_uncharged(
    database: Database, settings: Settings, http: Session, receiver: Receiver
) -> None:
    for _ in range(25):
        await scenario.add_endpoint(database, receiver.url)
    for _ in range(4):
        await scenario.place(database)
    await scenario.come_back(database, *await scenario.events(database))
    receiver.may_answer.clear()
    sender = Sender(database, http, settings)
    await sender.take_due()
    await until_here(lambda: len(receiver.requests) == 100, "all are asked")

    await sender.interrupt()

    rows = [await state(database, one) for one in await delivery_rows.ids(database)]
    left = {(row["state"], row["attempts"], row["crashes"], row["lease"]) for row in rows}
    assert left == {("pending", 0, 0, None)}
    assert len(await scenario.due(database)) == 100


async def test_a_worker_frozen_for_longer_than_its_lease_sends_nothing_any_more(
    database: Database,
    settings: Settings,
    http: Session,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    due = await one_due(database, receiver.url)
    reached, thawed = asyncio.Event(), asyncio.Event()
    attempt = services.attempts.attempt

    async def freezes(*arguments: Any, **more: Any) -> Any:
        if not reached.is_set():
            reached.set()
            await thawed.wait()
        return await attempt(*arguments, **more)

    monkeypatch.setattr(services.attempts, "attempt", freezes)
    frozen = asyncio.create_task(deliver(database, http, settings))
    await reached.wait()
    await delivery_rows.end_leases(database)
    async with open_database(settings) as others:
        await deliver(others, http, settings)

    forced.wake_up_later(monkeypatch, seconds=60)
    thawed.set()
    await frozen

    assert len(receiver.requests) == 1
    row = await state(database, due)
    assert (row["state"], row["attempts"]) == ("delivered", 2)

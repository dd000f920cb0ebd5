"""Each consumer gets each event it wants, and has its effect once."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from orderbus import services, storage
from orderbus.domain.events import Event
from orderbus.errors import Misconfigured, Poisoned, Unavailable
from orderbus.storage.database import Connection, Database
from tests.support import consumption_rows, letter_rows, scenario
from tests.support.consuming import come_back, consume, count, one_due

#: As often as a consumer is tried in all.
ATTEMPTS = 4
ALL = {"count_event": "order.created", "audit": "*"}


async def test_every_consumer_gets_every_event_it_wants_once(database: Database) -> None:
    order = await scenario.place(database)
    await scenario.append(database, order)

    first = await come_back(database, ALL)
    again = await come_back(database, ALL)

    assert {name: len(ids) for name, ids in first.items()} == {"count_event": 1, "audit": 2}
    assert again == first


async def test_an_event_consumed_by_many_at_once_has_its_effect_once(database: Database) -> None:
    await one_due(database)

    await asyncio.gather(*(consume(database, count) for _ in range(20)))
    await consume(database, count)

    assert await consumption_rows.counted(database) == 1
    assert (await consumption_rows.only(database))["state"] == "done"


async def test_150_deliveries_of_50_events_are_counted_50_times(database: Database) -> None:
    for _ in range(50):
        await scenario.place(database)
    await come_back(database, {"count_event": "*"})

    await asyncio.gather(*(consume(database, count) for _ in range(3)))

    assert await consumption_rows.counted(database) == 50


async def test_an_effect_that_fails_leaves_no_trace_and_is_tried_again_later(
    database: Database,
) -> None:
    await one_due(database)
    failures = [ZeroDivisionError("a bug\0"), ZeroDivisionError("a bug"), OSError("the network")]

    async def flaky(connection: Connection, event: Event) -> None:
        await count(connection, event)
        if failures:
            raise failures.pop(0)

    for pause in (5, 10, 20):
        before = await scenario.clock(database)
        await consume(database, flaky)
        found = await consumption_rows.only(database)
        assert (found["state"], await consumption_rows.counted(database)) == ("pending", 0)
        began = found["due_at"] - timedelta(seconds=pause)
        assert before <= began <= await scenario.clock(database)
        await consumption_rows.make_due(database)
    await consume(database, flaky)

    assert await consumption_rows.counted(database) == 1


async def test_an_effect_that_never_works_is_a_dead_letter_and_can_be_redriven(
    database: Database,
) -> None:
    await one_due(database)

    async def broken(_: Connection, __: Event) -> None:
        raise ZeroDivisionError

    for _ in range(ATTEMPTS + 1):
        await consume(database, broken)
        await consumption_rows.make_due(database)
    async with database.transaction() as connection:
        (letter,) = await letter_rows.listed(connection, kind="consumption")
        await services.dead_letters.redrive(connection, letter.id)
    await consume(database, count)

    assert (letter.reason, letter.actor) == ("retries_exhausted", "count_event")
    assert await consumption_rows.counted(database) == 1


async def test_what_can_never_succeed_is_a_dead_letter_at_once(database: Database) -> None:
    await one_due(database)

    async def refuses(_: Connection, __: Event) -> None:
        message = "no such cart"
        raise Poisoned(message, reason="unknown_cart")

    await consume(database, refuses)

    assert (await letter_rows.only(database))["reason"] == "unknown_cart"


async def test_a_dead_letter_is_written_even_where_giving_up_fails(database: Database) -> None:
    await one_due(database)

    async def refuses(_: Connection, __: Event) -> None:
        message = "no such cart"
        raise Poisoned(message, reason="unknown_cart")

    async def fails(connection: Connection, _: Event, __: str) -> None:
        await storage.metrics.count(connection, "given_up")
        raise ZeroDivisionError

    await consume(database, refuses, on_dead_letter=fails)

    assert (await letter_rows.only(database))["reason"] == "unknown_cart"
    assert await consumption_rows.counted(database) == 0


@pytest.mark.parametrize("error", [Unavailable, Misconfigured])
async def test_what_is_no_fault_of_the_work_is_not_charged(
    database: Database, error: type[Exception]
) -> None:
    await one_due(database)

    async def away(_: Connection, __: Event) -> None:
        raise error("PostgreSQL is away, or refuses us")

    for _ in range(ATTEMPTS + 3):
        await consume(database, away)
        await consumption_rows.make_due(database)

    found = await consumption_rows.only(database)
    assert (found["state"], found["attempts"]) == ("pending", 0)


async def test_a_consumer_whose_worker_dies_every_time_is_a_dead_letter(database: Database) -> None:
    await one_due(database)
    await scenario.crash(database, "count_event", times=ATTEMPTS)

    await consume(database, count)

    assert await consumption_rows.counted(database) == 0
    assert (await letter_rows.only(database))["reason"] == "crashed"


async def test_a_worker_that_lost_its_lease_has_no_effect(database: Database) -> None:
    await one_due(database)

    async def slow(connection: Connection, event: Event) -> None:
        await count(connection, event)
        await consumption_rows.make_due(database)
        await scenario.claim_consumptions(database, "count_event", length=scenario.LEASE)

    await consume(database, slow)

    assert await consumption_rows.counted(database) == 0
    assert (await consumption_rows.only(database))["lease"] is not None


async def test_work_that_is_interrupted_is_tried_again_soon(database: Database) -> None:
    await one_due(database)
    begun = asyncio.Event()

    async def endless(_: Connection, __: Event) -> None:
        begun.set()
        await asyncio.Event().wait()

    working = asyncio.create_task(consume(database, endless))
    await begun.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working

    found = await consumption_rows.only(database)
    assert (found["state"], found["attempts"], found["lease"]) == ("pending", 0, None)
    await consumption_rows.make_due(database)
    await consume(database, count)
    assert await consumption_rows.counted(database) == 1

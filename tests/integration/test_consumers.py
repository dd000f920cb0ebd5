"""Each consumer gets each event it wants, and has its effect once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import TimeLimit

from orderbus import services, storage
from orderbus.actors import consumers
from orderbus.actors.consumers import consumer, installed
from orderbus.domain.events import Event, check_pattern
from orderbus.errors import Invalid, Misconfigured, Poisoned, Unavailable
from orderbus.services.consumptions import Work
from orderbus.settings import Settings, load
from orderbus.storage.database import Connection, Database
from orderbus.worker.retries import Retries
from tests.support import consumption_rows, letter_rows, scenario
from tests.support.waiting import until_async, until_true
from tests.support.worker_process import Start, send

Effect = Callable[[Connection, Event], Awaitable[None]]

#: As often as a consumer is tried in all.
ATTEMPTS = 4
ALL = {"count_event": "order.created", "audit": "*"}


async def consume(database: Database, due: int, effect: Effect, **more: Any) -> bool:
    settings = load(_env_file=None, secret_key="a key for tests")
    held = scenario.resources(database, settings)
    return await services.consumptions.consume(held, "count_event", due, Work(effect, **more))


async def count(connection: Connection, _: Event) -> None:
    await storage.metrics.count(connection, "orders_created")


async def come_back(database: Database, wanted: dict[str, str]) -> dict[str, list[int]]:
    _, due = await scenario.record(database, await scenario.events(database), wanted=wanted)
    return {name: list(ids) for name, ids in due.consumptions.items()}


async def one_due(database: Database) -> int:
    await scenario.place(database)
    return (await come_back(database, {"count_event": "*"}))["count_event"][0]


async def counted(database: Database) -> int:
    return int(await consumption_rows.counted(database))


async def row(database: Database) -> dict[str, Any]:
    async with database.connection() as connection:
        found = await connection.fetchrow("SELECT * FROM ops.consumptions")
    assert found is not None
    return dict(found)


async def hurry(database: Database) -> None:
    """Let the time pass that a later attempt waits for, or a lease lasts."""
    await scenario.value(
        database,
        "UPDATE ops.consumptions SET due_at = now(),"
        " leased_until = CASE WHEN lease IS NOT NULL THEN now() END",
    )


async def test_every_consumer_gets_every_event_it_wants_once(database: Database) -> None:
    order = await scenario.place(database)
    await scenario.append(database, order)

    first = await come_back(database, ALL)
    again = await come_back(database, ALL)

    assert {name: len(ids) for name, ids in first.items()} == {"count_event": 1, "audit": 2}
    assert again == {}


async def test_an_event_consumed_by_many_at_once_has_its_effect_once(database: Database) -> None:
    due = await one_due(database)

    await asyncio.gather(*(consume(database, due, count) for _ in range(20)))
    await consume(database, due, count)

    assert await counted(database) == 1
    assert (await row(database))["state"] == "done"


async def test_150_deliveries_of_50_events_are_counted_50_times(database: Database) -> None:
    for _ in range(50):
        await scenario.place(database)
    due = (await come_back(database, {"count_event": "*"}))["count_event"]

    await asyncio.gather(*(consume(database, one, count) for one in due * 3))

    assert await counted(database) == 50


async def test_an_effect_that_fails_leaves_no_trace_and_is_tried_again_later(
    database: Database,
) -> None:
    due = await one_due(database)
    failures = [ZeroDivisionError("a bug\0"), ZeroDivisionError("a bug"), OSError("the network")]

    async def flaky(connection: Connection, event: Event) -> None:
        await count(connection, event)
        if failures:
            raise failures.pop(0)

    for pause in (5, 10, 20):
        before = await scenario.clock(database)
        await consume(database, due, flaky)
        found = await row(database)
        assert (found["state"], await counted(database)) == ("pending", 0)
        began = found["due_at"] - timedelta(seconds=pause)
        assert before <= began <= await scenario.clock(database)
        await hurry(database)
    await consume(database, due, flaky)

    assert await counted(database) == 1


async def test_an_effect_that_never_works_is_a_dead_letter_and_can_be_redriven(
    database: Database,
) -> None:
    due = await one_due(database)

    async def broken(_: Connection, __: Event) -> None:
        raise ZeroDivisionError

    for _ in range(ATTEMPTS + 1):
        await consume(database, due, broken)
        await hurry(database)
    async with database.transaction() as connection:
        (letter,) = await storage.dead_letters.list_open(connection, kind="consumption", at_most=9)
        await services.dead_letters.redrive(connection, letter.id)
    await consume(database, due, count)

    assert (letter.reason, letter.actor) == ("retries_exhausted", "count_event")
    assert await counted(database) == 1


async def test_what_can_never_succeed_is_a_dead_letter_at_once(database: Database) -> None:
    due = await one_due(database)

    async def refuses(_: Connection, __: Event) -> None:
        message = "no such cart"
        raise Poisoned(message, reason="unknown_cart")

    await consume(database, due, refuses)

    assert (await letter_rows.only(database))["reason"] == "unknown_cart"


async def test_a_dead_letter_is_written_even_where_giving_up_fails(database: Database) -> None:
    due = await one_due(database)

    async def refuses(_: Connection, __: Event) -> None:
        message = "no such cart"
        raise Poisoned(message, reason="unknown_cart")

    async def fails(connection: Connection, _: Event, __: str) -> None:
        await storage.metrics.count(connection, "given_up")
        raise ZeroDivisionError

    await consume(database, due, refuses, on_dead_letter=fails)

    assert (await letter_rows.only(database))["reason"] == "unknown_cart"
    assert await counted(database) == 0


@pytest.mark.parametrize("error", [Unavailable, Misconfigured])
async def test_what_is_no_fault_of_the_work_is_not_charged(
    database: Database, error: type[Exception]
) -> None:
    due = await one_due(database)

    async def away(_: Connection, __: Event) -> None:
        raise error("PostgreSQL is away, or refuses us")

    for _ in range(ATTEMPTS + 3):
        await consume(database, due, away)
        await hurry(database)

    found = await row(database)
    assert (found["state"], found["attempts"]) == ("pending", 0)


async def test_a_consumer_whose_worker_dies_every_time_is_a_dead_letter(database: Database) -> None:
    due = await one_due(database)
    async with database.connection() as connection:
        for _ in range(ATTEMPTS):
            await storage.consumptions.claim(
                connection, "count_event", due, lease=uuid4(), length=timedelta(seconds=0)
            )

    await consume(database, due, count)

    assert await counted(database) == 0
    assert (await letter_rows.only(database))["reason"] == "crashed"


async def test_a_worker_that_lost_its_lease_has_no_effect(database: Database) -> None:
    due = await one_due(database)

    async def slow(connection: Connection, event: Event) -> None:
        await count(connection, event)
        await hurry(database)
        async with database.connection() as other:
            await storage.consumptions.claim(
                other, "count_event", due, lease=uuid4(), length=scenario.LEASE
            )

    await consume(database, due, slow)

    assert await counted(database) == 0
    assert (await row(database))["lease"] is not None


async def test_the_beat_tells_of_what_is_due_and_of_nothing_twice(database: Database) -> None:
    due = await one_due(database)
    await consumption_rows.forget_hints(database)

    told = await services.consumptions.due_to_enqueue(database, ["count_event", "other"])
    again = await services.consumptions.due_to_enqueue(database, ["count_event"])
    unknown = await services.consumptions.due_to_enqueue(database, ["other"])

    assert (told, again, unknown) == ({"count_event": [due]}, {}, {})


async def test_a_consumer_is_told_of_no_more_than_it_can_take_and_harms_no_other(
    database: Database,
) -> None:
    for _ in range(5):
        await scenario.place(database)
    await come_back(database, {"slow": "*", "quick": "*"})
    await consumption_rows.forget_hints(database)

    async def told() -> dict[str, int]:
        async with database.connection() as connection:
            found = await storage.consumptions.hint(
                connection, ["slow", "quick"], at_most=3, again_after=timedelta(hours=1)
            )
        return {name: len(ids) for name, ids in found.items()}

    assert await told() == {"slow": 3, "quick": 3}
    assert await told() == {}
    await scenario.value(
        database,
        "UPDATE ops.consumptions SET state = 'done', settled_at = now()"
        " WHERE consumer = 'quick' AND hinted_at IS NOT NULL",
    )
    assert await told() == {"quick": 2}
    await scenario.value(database, "UPDATE ops.consumptions SET hinted_at = now() - interval '2 h'")
    assert await told() == {"slow": 3, "quick": 2}


async def test_a_worker_hints_only_at_the_work_that_it_does(
    database: Database, start: Start
) -> None:
    await scenario.value(
        database,
        "INSERT INTO ops.consumptions (consumer, event_id, occurred_at)"
        " SELECT name, gen_random_uuid(), now()"
        " FROM unnest(ARRAY['process_order', 'count_event']) AS name",
    )
    start("--processes", "1", "--threads", "2", "--queues", "count_event")

    letters = "SELECT count(*) FROM ops.dead_letters"
    await until_true(lambda: scenario.value(database, letters), "what it does is done")

    told = "SELECT hinted_at FROM ops.consumptions WHERE consumer = 'process_order'"
    assert await scenario.value(database, told) is None


async def test_messages_of_other_versions_are_understood(
    database: Database, start: Start, rabbitmq_url: str
) -> None:
    for _ in range(2):
        await scenario.place(database)
    first, second = (await come_back(database, {"count_event": "*"}))["count_event"]
    worker = start("--processes", "1", "--threads", "2", "--queues", "count_event")
    await until_async(worker.is_ready, "it is ready")

    send(rabbitmq_url, "count_event", "count_event", consumption=first)
    send(rabbitmq_url, "count_event", "count_event", consumption=second, of_a_later="version")

    async def both() -> bool:
        return await counted(database) == 2

    await until_true(both, "both are counted")
    assert await letter_rows.count(database) == 0


async def test_work_that_is_interrupted_is_tried_again_soon(database: Database) -> None:
    due = await one_due(database)
    begun = asyncio.Event()

    async def endless(_: Connection, __: Event) -> None:
        begun.set()
        await asyncio.Event().wait()

    working = asyncio.create_task(consume(database, due, endless))
    await begun.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working

    found = await row(database)
    assert (found["state"], found["attempts"], found["lease"]) == ("pending", 1, None)
    await hurry(database)
    await consume(database, due, count)
    assert await counted(database) == 1


@pytest.mark.parametrize("name", ["on_dead_letter", "give_up"])
def test_what_happens_with_a_dead_letter_is_named_as_it_is_or_as_it_was(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = StubBroker(middleware=[TimeLimit(), Retries()])
    monkeypatch.setattr(consumers, "broker", own)
    monkeypatch.setattr(consumers, "_registered", {})

    async def tell(_: Connection, __: Event, ___: str) -> None: ...

    async def thank_customer(_: Connection, __: Event) -> None: ...

    named: Any = {name: tell}
    consumer("order.*", **named)(thank_customer)

    (found,) = consumers.installed(load(_env_file=None, secret_key="a key for tests"))
    assert found.work.on_dead_letter is tell


@pytest.mark.parametrize(
    ("pattern", "fits", "does_not"),
    [
        ("order.created", ["order.created"], ["order.created.late", "cart.created", "order"]),
        (
            "order.*",
            ["order.created", "order.status.changed"],
            ["cart.created", "order", "orders.x"],
        ),
        ("*.created", ["order.created", "store.order.created"], ["order.created_late", "created"]),
        ("*", ["order", "order.created"], []),
    ],
)
async def test_a_pattern_fits_words_between_dots(
    pattern: str, fits: list[str], does_not: list[str], database: Database
) -> None:
    check_pattern(pattern)

    found = [
        kind
        for kind in fits + does_not
        if await scenario.value(database, "SELECT ops.fits($1, ARRAY[$2])", kind, pattern)
    ]

    assert found == fits


@pytest.mark.parametrize("pattern", ["", "order.", ".created", "Order.*", "order.*x", "a b", "**"])
def test_a_pattern_that_is_none_is_refused(pattern: str) -> None:
    with pytest.raises(Invalid, match="no pattern"):
        consumer(pattern)


def test_orders_are_counted_by_a_queue_of_its_own(settings: Settings) -> None:
    patterns = {found.name: found.pattern for found in installed(settings)}

    assert patterns["count_event"] == "order.created"

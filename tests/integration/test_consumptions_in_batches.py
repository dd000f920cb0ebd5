"""What happens to one of many consumptions happens to it alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from orderbus import services, storage
from orderbus.actors import consumers, startup
from orderbus.domain.events import Event
from orderbus.domain.processing import Outcome, Task
from orderbus.services.consumptions import Consuming, Work
from orderbus.settings import Settings
from orderbus.storage.database import Connection, Database
from tests.support import consumption_rows, order_rows, scenario, statements
from tests.support.consuming import come_back, consume
from tests.support.waiting import until_here, until_true

NAME = "count_event"


async def many_due(database: Database, count: int, consumer: str = NAME) -> list[int]:
    for _ in range(count):
        await scenario.place(database)
    return (await come_back(database, {consumer: "order.created"}))[consumer]


async def count_all(connection: Connection, events: Sequence[Event]) -> None:
    await storage.metrics.count(connection, "orders_created", len(events))


async def test_effects_had_together_commit_in_one_transaction_with_their_marks(
    database: Database,
) -> None:
    await many_due(database, 30)
    sizes: list[int] = []

    async def note(connection: Connection, events: Sequence[Event]) -> None:
        sizes.append(len(events))
        await count_all(connection, events)

    await consume(database, note, together=True)

    assert sizes == [30]
    assert await consumption_rows.counted(database) == 30
    assert await consumption_rows.pending(database, NAME) == []


async def test_one_of_many_that_raises_is_tried_again_and_the_others_have_their_effect_once(
    database: Database,
) -> None:
    await many_due(database, 20)
    bad = (await scenario.events(database))[7].event_id

    async def fails_for_one(connection: Connection, events: Sequence[Event]) -> None:
        await count_all(connection, events)
        if any(event.id == bad for event in events):
            raise ZeroDivisionError

    await consume(database, fails_for_one, together=True)

    assert await consumption_rows.counted(database) == 19
    (left,) = await consumption_rows.pending(database, NAME)
    assert await consumption_rows.error(database, left) == "ZeroDivisionError: "


async def test_one_whose_lease_is_lost_has_no_effect_and_the_others_do(database: Database) -> None:
    due = await many_due(database, 10)
    done: list[int] = []

    async def lose_one(connection: Connection, events: Sequence[Event]) -> None:
        if len(events) == len(due):  # another worker took it meanwhile, and its effect came first
            await consumption_rows.lose_lease(database, due[3])
        await count_all(connection, events)
        done.append(len(events))

    await consume(database, lose_one, together=True)

    assert await consumption_rows.counted(database) == 9
    assert await consumption_rows.pending(database, NAME) == [due[3]]


async def test_what_a_worker_died_of_twice_is_consumed_one_by_one_and_costs_no_neighbour_an_attempt(
    database: Database, settings: Settings
) -> None:
    due = await many_due(database, 6)
    sizes: list[int] = []

    async def note(connection: Connection, events: Sequence[Event]) -> None:
        sizes.append(len(events))
        await count_all(connection, events)

    await scenario.crash(database, NAME, times=2)
    worker = Consuming(scenario.resources(database, settings), NAME, Work(note, together=True))

    async def one_more() -> bool:
        await worker.take_due()
        await worker.idle()
        return not await consumption_rows.pending(database, NAME)

    await until_true(one_more, "all are consumed")

    assert set(sizes) == {1}
    assert await consumption_rows.counted(database) == len(due)
    assert await consumption_rows.most_attempts(database) == 1


async def test_a_suspect_waits_until_its_worker_has_nothing_else_under_way(
    database: Database, settings: Settings
) -> None:
    await many_due(database, 1)
    await scenario.crash(database, NAME, times=2)
    await many_due(database, 2)
    alone: list[int] = []
    may_end, both_began = asyncio.Event(), asyncio.Event()
    under_way = 0

    async def prepare(*_: object) -> None:
        nonlocal under_way
        under_way += 1
        alone.append(under_way)
        if under_way == 2:
            both_began.set()
        if not may_end.is_set():
            await may_end.wait()
        under_way -= 1

    async def effect(_: Connection, __: Event, ___: None) -> None:
        """Leave it at that."""

    worker = Consuming(scenario.resources(database, settings), NAME, Work(effect, prepare))
    await worker.take_due()
    await both_began.wait()
    may_end.set()
    await worker.idle()

    assert alone == [1, 2, 1]


async def test_who_counts_waits_for_nobody_who_counts(database: Database) -> None:
    async with database.transaction() as frozen:
        await storage.metrics.count(frozen, "orders_created")
        async with database.transaction() as other:
            await other.execute("SET LOCAL lock_timeout = '1ms'")
            await storage.metrics.count(other, "orders_created", 2)
        async with database.transaction() as folding:
            await folding.execute("SET LOCAL lock_timeout = '1ms'")
            await storage.metrics.fold(folding)
            (seen,) = await storage.metrics.list_all(folding)

    async with database.connection() as connection:
        (after,) = await storage.metrics.list_all(connection)
        await storage.metrics.fold(connection)
        (folded,) = await storage.metrics.list_all(connection)

    assert (seen.count, after.count, folded.count) == (2, 3, 3)


async def test_processing_costs_less_than_a_third_of_a_statement_an_order(
    database: Database, settings: Settings
) -> None:
    await many_due(database, 100, "process_order")

    with statements.recorded() as sent:
        await scenario.consume(database, settings, "process_order")

    assert set(await order_rows.statuses(database)) == {"completed"}
    assert len(sent) / 100 <= 0.3, sent


async def test_a_consumer_of_ones_own_costs_four_statements_an_event_and_its_share_of_a_claim(
    database: Database,
) -> None:
    async def effect(connection: Connection, _: Event) -> None:
        await connection.execute("SELECT 1")

    await many_due(database, 9)
    await consume(database, effect)  # which also opens the connections
    await many_due(database, 50)

    with statements.recorded() as sent:
        await consume(database, effect)

    assert await consumption_rows.pending(database, NAME) == []
    assert len(sent) <= 4.3 * 50  # with claims, and what a new connection begins with


async def test_orders_that_are_processed_together_end_each_as_its_processor_says(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await many_due(database, 20, "process_order")

    class Odd:
        """Completes, refuses and raises in turns."""

        said = 0

        async def process(self, _: Task) -> Outcome:
            self.said += 1
            match self.said % 3:
                case 0:
                    return Outcome(reason="Out of stock")
                case 1:
                    raise OSError("the bank is away")
            return Outcome()

    monkeypatch.setattr(services.processing, "chosen", lambda _: odd)
    odd: Any = Odd()
    await scenario.consume(database, settings, "process_order")

    statuses = await order_rows.statuses(database)
    assert {status: statuses.count(status) for status in statuses} == {
        "completed": 7,
        "failed": 6,
        "in_progress": 7,
    }
    assert len(await consumption_rows.pending(database, "process_order")) == 7


async def test_an_order_that_somebody_holds_is_processed_later_and_keeps_no_other_waiting(
    database: Database, settings: Settings
) -> None:
    held = await scenario.place(database)
    await many_due(database, 9, "process_order")

    async with database.transaction() as connection:
        await storage.orders.lock(connection, held.order_id)
        await scenario.consume(database, settings, "process_order")
        statuses = await order_rows.statuses(database)

    assert sorted(statuses) == ["completed"] * 9 + ["created"]
    found = await consumption_rows.pending(database, "process_order")
    assert len(found) == 1
    await consumption_rows.make_due(database)
    await scenario.consume(database, settings, "process_order")
    assert set(await order_rows.statuses(database)) == {"completed"}


async def test_consumers_that_hang_harm_themselves_only_however_many_they_are(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"hangs_{letter}" for letter in "abcde"]
    for _ in range(10):
        await scenario.place(database)
    await come_back(database, dict.fromkeys(names, "order.created"))
    may_end, began = asyncio.Event(), 0

    async def hang(_: Connection, __: Event) -> None:
        nonlocal began
        began += 1
        await may_end.wait()

    installed = [consumers.Consumer(name, "order.created", Work(hang)) for name in names]
    monkeypatch.setattr(consumers, "installed", lambda _: installed)
    takers = startup.take(scenario.resources(database, settings))
    for name in names:
        await takers[name].take_due()
    await until_here(lambda: began == len(names), "each has one transaction open")

    # Half of the connections are left for all others, and none of them has to wait.
    for _ in range(settings.db_pool_size // 2):
        await database.ping()
    assert began == len(names) <= settings.db_pool_size // 2
    may_end.set()

    async def is_done(name: str) -> bool:
        await takers[name].take_due()
        await takers[name].idle()
        return not await consumption_rows.pending(database, name)

    for name in names:
        await until_true(lambda name=name: is_done(name), f"{name} is done with all")  # type: ignore[misc]

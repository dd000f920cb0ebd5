"""A worker that was frozen for longer than its lease changes nothing any more."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest

from orderbus import services, storage
from orderbus.domain.orders import OrderId
from orderbus.domain.processing import Outcome, Task
from orderbus.settings import Settings
from orderbus.storage.database import Database
from orderbus.storage.orders import Order
from tests.support import consumption_rows, event_rows, order_rows, scenario

NAME = "process_order"


class Counting:
    """A processor that can be held up, and remembers under which keys it was called."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.outcome = Outcome()
        self.called = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def process(self, task: Task) -> Outcome:
        self.keys.append(task.idempotency_key)
        self.called.set()
        if len(self.keys) == 1:
            await self.go_on.wait()
        return self.outcome


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch) -> Counting:
    counting = Counting()
    monkeypatch.setattr(services.processing, "chosen", lambda _: counting)
    return counting


class Ice:
    """Stops the first worker that comes by, until it is thawed."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.thawed = asyncio.Event()

    async def hold(self) -> None:
        if not self.reached.is_set():
            self.reached.set()
            await self.thawed.wait()


async def due(database: Database) -> UUID:
    placed = await scenario.place(database)
    await scenario.record(database, await scenario.events(database), wanted={NAME: "order.created"})
    return placed.order_id


def frozen_before_it_begins(monkeypatch: pytest.MonkeyPatch) -> Ice:
    """Freeze the first worker that has claimed an order and not begun with it."""
    ice, lock = Ice(), storage.orders.lock_all

    async def slow_lock(connection: Any, order_ids: Sequence[OrderId], **more: bool) -> list[Order]:
        await ice.hold()
        return await lock(connection, order_ids, **more)

    monkeypatch.setattr(storage.orders, "lock_all", slow_lock)
    return ice


@pytest.mark.parametrize("outcome", [Outcome(), Outcome(reason="Out of stock")])
async def test_a_worker_that_lost_its_lease_before_it_began_does_not_begin(
    database: Database,
    settings: Settings,
    processor: Counting,
    monkeypatch: pytest.MonkeyPatch,
    outcome: Outcome,
) -> None:
    public_id = await due(database)
    processor.outcome = outcome
    ice = frozen_before_it_begins(monkeypatch)
    frozen = asyncio.create_task(scenario.consume(database, settings, NAME))
    await ice.reached.wait()
    await consumption_rows.end_leases(database)
    await scenario.consume(database, settings, NAME)
    before = await database.ask(storage.orders.get, str(public_id))

    ice.thawed.set()
    with suppress(Exception):
        await frozen

    assert processor.keys == [f"{public_id}:2"]
    assert await database.ask(storage.orders.get, str(public_id)) == before
    assert before.status in {"completed", "failed"}
    assert await order_rows.count_stuck(database) == 0


async def test_an_order_whose_worker_froze_in_the_middle_is_processed_under_the_same_key(
    database: Database, settings: Settings, processor: Counting
) -> None:
    public_id = await due(database)
    processor.go_on.clear()
    frozen = asyncio.create_task(scenario.consume(database, settings, NAME))
    await processor.called.wait()
    await consumption_rows.end_leases(database)
    await scenario.consume(database, settings, NAME)

    processor.go_on.set()
    await frozen

    assert processor.keys == [f"{public_id}:2"] * 2
    assert (await database.ask(storage.orders.get, str(public_id))).status == "completed"
    assert await event_rows.count(database) == 4
    assert await order_rows.count_stuck(database) == 0


async def test_a_worker_that_lost_its_lease_says_nothing_of_another_ones_try(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await due(database)
    called, go_on, first = asyncio.Event(), asyncio.Event(), asyncio.Event()

    class Fails:
        async def process(self, _: Task) -> Outcome:
            if not first.is_set():
                first.set()
                await go_on.wait()
                raise OSError("the bank is gone")
            called.set()
            await asyncio.Event().wait()
            raise AssertionError

    monkeypatch.setattr(services.processing, "chosen", lambda _: Fails())
    frozen = asyncio.create_task(scenario.consume(database, settings, NAME))
    await first.wait()
    await consumption_rows.end_leases(database)
    working = asyncio.create_task(scenario.consume(database, settings, NAME))
    await called.wait()

    go_on.set()
    await frozen

    tried = await order_rows.processing(database)
    assert (tried["status"], tried["error_message"]) == ("PROCESSING", None)
    assert (await consumption_rows.only(database))["lease"] is not None
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working


async def test_an_id_of_another_consumers_is_not_claimed_and_changes_nothing(
    database: Database, settings: Settings, processor: Counting
) -> None:
    await due(database)
    before = await consumption_rows.only(database)

    await scenario.consume(database, settings, "count_event")

    assert await consumption_rows.only(database) == before
    assert await consumption_rows.counted(database) == 0
    await scenario.consume(database, settings, NAME)
    assert len(processor.keys) == 1

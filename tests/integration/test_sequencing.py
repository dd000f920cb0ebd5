"""Of an order's deliveries to an endpoint the first is due; none of the others is forgotten."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest

from orderbus import services, storage
from orderbus.domain.retries import Settlement
from orderbus.services.deliveries import Sender
from orderbus.settings import Settings
from orderbus.storage import migrations
from orderbus.storage.database import Connection, Database
from orderbus.storage.deliveries import Claimed, Outcome
from orderbus.storage.inbox import Returned
from tests.support import delivery_rows, many_rows, migration_files, row_counts, scenario
from tests.support.waiting import PATIENCE

DELIVERED = Settlement("delivered", "delivered")


async def record(connection: Connection, *returned: Returned) -> Sequence[int]:
    return (await services.inbox.record(connection, returned, wanted={})).deliveries


async def two_events(database: Database) -> tuple[Claimed, Returned]:
    """An order's first event, claimed, and its second, which has not come back."""
    await scenario.add_endpoint(database)
    order = await scenario.place(database)
    await scenario.append(database, order)
    first, second = await scenario.events(database)
    (due,) = await scenario.come_back(database, first)
    claimed = await scenario.claim(database, due)
    assert claimed is not None
    return claimed, second


async def test_what_comes_back_while_the_first_is_open_waits_for_it(database: Database) -> None:
    claimed, second = await two_events(database)

    assert await scenario.come_back(database, second) == []
    await scenario.settle(database, claimed, DELIVERED)

    assert len(await scenario.due(database)) == 1


async def test_a_settlement_that_meets_a_bridge_comes_after_it_and_sees_what_it_added(
    database: Database,
) -> None:
    claimed, second = await two_events(database)

    async with database.transaction() as bridge:
        due = await record(bridge, second)
        meanwhile = await scenario.settle(database, claimed, DELIVERED)
    afterwards = await scenario.settle(database, claimed, DELIVERED)

    assert (due, meanwhile.busy, afterwards.busy) == ([], True, False)
    assert len(await scenario.due(database)) == 1


async def test_a_bridge_that_meets_a_settlement_leaves_nothing_waiting_for_it(
    database: Database,
) -> None:
    claimed, second = await two_events(database)

    async with database.transaction() as worker:
        await storage.deliveries.settle(worker, [Outcome(claimed, DELIVERED)])
        (due,) = await scenario.come_back(database, second)
        too_early = await scenario.due(database)
    await delivery_rows.make_due(database)

    assert too_early == []
    assert await scenario.due(database) == [due]


async def test_what_is_due_too_early_waits_from_then_on(database: Database) -> None:
    claimed, second = await two_events(database)
    await scenario.come_back(database, second)
    await delivery_rows.make_waiting_due(database)

    (_, waiting) = await delivery_rows.ids(database)
    assert await scenario.claim(database, waiting) is None
    await scenario.settle(database, claimed, DELIVERED)

    assert await delivery_rows.count_forgotten(database) == 0
    assert len(await scenario.due(database)) == 1


async def test_one_that_is_redriven_goes_before_those_that_came_after_it(
    database: Database,
) -> None:
    claimed, second = await two_events(database)
    await scenario.come_back(database, second)
    await scenario.settle(database, claimed, Settlement("dead", "failed", reason="x", error="x"))
    async with database.connection() as connection:
        await storage.delivery_acts.redrive(connection, [claimed.delivery_id])

    assert await scenario.due(database) == [claimed.delivery_id]


async def test_no_statement_of_the_way_reads_what_waits(database: Database) -> None:
    claimed, _ = await two_events(database)
    async with database.connection() as connection:
        await many_rows.deliveries_that_wait(connection, claimed.endpoint_id, orders=2_000, each=10)
    read: dict[str, int] = {}
    asked: dict[str, Any] = {"lease": uuid4(), "length": scenario.LEASE, "in_flight": {}}

    async with row_counts.transaction(database) as counted:
        await storage.deliveries.claim(counted.connection, **asked, otherwise=9, at_most=9)
        read["claim"] = await counted.read("ops.webhook_deliveries")
    async with row_counts.transaction(database) as counted:
        await storage.deliveries.settle(counted.connection, [Outcome(claimed, DELIVERED)])
        read["settle"] = await counted.read("ops.webhook_deliveries")

    assert {name: rows for name, rows in read.items() if rows > 100} == {}


class Endpoints:
    """Stand in for all endpoints, and remember what each was told of each order."""

    def __init__(self) -> None:
        self.told: dict[tuple[UUID, UUID], list[int]] = {}
        self.chance = random.Random(7)  # noqa: S311 - spreads steps, guards nothing

    async def attempt(self, *given: Any, **_: Any) -> Outcome:
        """Take one in ten not at first."""
        claimed: Claimed = given[-1]
        await asyncio.sleep(self.chance.random() / 200)
        assert claimed.event is not None
        if self.chance.random() < 0.1:
            return Outcome(claimed, Settlement("pending", "failed"))
        told = self.told.setdefault((claimed.endpoint_id, claimed.event.order_id), [])
        told.append(claimed.event.sequence)
        return Outcome(claimed, DELIVERED)


async def bridge(database: Database, events: Sequence[Returned]) -> None:
    for start in range(0, len(events), 3):
        await scenario.come_back(database, *events[start : start + 3])


async def work(database: Database, settings: Settings, done: asyncio.Event) -> None:
    sender = Sender(database, None, settings)  # type: ignore[arg-type]
    while not done.is_set():
        await sender.take_due()
        await asyncio.sleep(0.005)
    await sender.idle()


async def test_whatever_bridges_and_workers_do_at_once_each_order_is_told_whole_and_in_order(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoints, done = Endpoints(), asyncio.Event()
    monkeypatch.setattr(services.attempts, "attempt", endpoints.attempt)
    for _ in range(2):
        await scenario.add_endpoint(database)
    orders = [await scenario.place(database) for _ in range(12)]
    for order in orders * 5:
        await scenario.append(database, order)
    events = await scenario.events(database)
    endpoints.chance.shuffle(events)

    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(work(database, settings, done))
        await asyncio.gather(*(bridge(database, events[n::3]) for n in range(3)))
        while not await delivery_rows.all_are(database, "delivered"):
            await asyncio.sleep(0.05)
        done.set()

    assert set(map(tuple, endpoints.told.values())) == {(1, 2, 3, 4, 5, 6)}
    assert len(endpoints.told) == 2 * len(orders)


async def test_a_migration_from_the_version_before_leaves_due_what_may_go_and_nothing_else(
    database: Database, settings: Settings
) -> None:
    names = sorted({path.name.split(".")[0] for path in migrations.FOLDER.glob("[0-9]*.sql")})
    newer = len(names) - names.index("0015")
    for ordering in ("order", "none"):
        await scenario.add_endpoint(database, ordering=ordering)
    orders = [await scenario.place(database) for _ in range(2)]
    for order in orders * 2:
        await scenario.append(database, order)
    events = await scenario.events(database)
    await scenario.come_back(database, *events[:2], *events[3:])  # one order has a gap
    before = await scenario.due(database)

    await asyncio.to_thread(migration_files.go_back, settings, newer)
    await asyncio.to_thread(migrations.migrate, settings)

    assert await scenario.due(database) == before
    assert await delivery_rows.count_forgotten(database) == 0
    assert await delivery_rows.count_waiting(database) > 0

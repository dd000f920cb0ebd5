"""An order that failed gave its stock back; whoever tries it again takes it again or is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from orderbus import services, storage
from orderbus.domain.orders import OrderId
from orderbus.domain.products import Changes
from orderbus.errors import OutOfStock
from orderbus.services.letter_jobs import RedriveLetters
from orderbus.services.order_moves import Asked, Leaving
from orderbus.settings import Settings
from orderbus.storage.database import Connection, Database
from orderbus.storage.orders import Order
from tests.integration.test_allocating import counters, send
from tests.support import jobs, letter_rows, order_rows, scenario, stock_rows
from tests.support.api_client import Client, problem, serving
from tests.support.waiting import PATIENCE


@pytest.fixture
async def allocating(settings: Settings) -> AsyncIterator[Client]:
    """A front door that allocates what known products an order names."""
    async with serving(settings.model_copy(update={"webhook_allocate": True})) as client:
        yield client


@pytest.fixture
def never(settings: Settings) -> Settings:
    """Settings under which every order fails."""
    return settings.model_copy(update={"processor": "random", "processing_success_rate": 0.0})


async def retry(client: Client, reference: str = "SO-1") -> Any:
    return await client.post(f"/orders/{reference}/retry")


async def redrive(database: Database, letter: int) -> None:
    async with database.transaction() as connection:
        await services.dead_letters.redrive(connection, letter, actor="test")


async def fail(database: Database, reference: str) -> None:
    """Write down that an order could not be processed, as with its dead letter."""
    async with database.transaction() as connection:
        await fail_in(connection, reference)


async def fail_in(connection: Connection, reference: str) -> None:
    order = await storage.orders.get(connection, reference)
    (first, *_) = await storage.events.history(connection, order.order_id)
    event = await storage.events.remembered(connection, first.event_id, first.at)
    assert event is not None
    await services.processing.fail(connection, event, "test")


async def given_up(client: Client, database: Database, *references: str) -> list[int]:
    """Let orders of two units of tea be given up, which they fail for; their dead letters."""
    for reference in references:
        assert await send(client, reference, tea=2) == 201
    wanted = {"process_order": "order.created"}
    await scenario.record(database, await scenario.events(database), wanted=wanted)
    await letter_rows.give_up_consumptions(database)
    for reference in references:
        await fail(database, reference)
    return sorted(letter["id"] for letter in await letter_rows.every(database))


async def test_an_order_that_is_tried_again_has_its_stock_again_and_ships_it(
    allocating: Client, database: Database, settings: Settings, never: Settings
) -> None:
    tea = await stock_rows.add(database, 5, sku="tea")
    await send(allocating, "SO-1", tea=2)
    await scenario.go_on(database, never)
    assert await counters(database, tea) == (0, 5)

    assert (await retry(allocating)).status == 202

    assert await counters(database, tea) == (2, 3)
    await scenario.consume(database, settings, "process_order")
    async with database.transaction() as connection:
        shipped = await services.order_moves.ship(connection, "SO-1", Asked(actor="test"))
    level = await stock_rows.level(database, tea)
    assert (shipped.status, level.on_hand, level.allocated, level.shipped) == ("completed", 3, 0, 2)
    assert await stock_rows.differences(database) == []


async def test_an_order_has_its_stock_again_though_some_left_after_its_failure_began(
    allocating: Client, database: Database
) -> None:
    products = [await stock_rows.add(database, 5, sku=sku) for sku in ("milk", "tea")]
    await send(allocating, "SO-1", milk=1, tea=2)
    async with database.transaction() as failing:
        await failing.execute("SELECT")  # its time stands still from here on
        async with database.transaction() as connection:
            leaving = [Leaving(1, 1)]
            await services.order_moves.ship(connection, "SO-1", Asked(actor="test"), lines=leaving)
        await fail_in(failing, "SO-1")
    assert [await counters(database, product) for product in products] == [(0, 4), (0, 5)]

    async with database.transaction() as connection:
        order = await storage.orders.lock(connection, "SO-1")
        await services.allocating.take_again(connection, order, actor="test")

    assert [await counters(database, product) for product in products] == [(0, 4), (2, 3)]


async def test_an_order_whose_stock_others_have_by_now_is_refused_with_every_short_line(
    allocating: Client, database: Database, settings: Settings, never: Settings
) -> None:
    products = [await stock_rows.add(database, 2, sku=sku) for sku in ("milk", "sugar", "tea")]
    await send(allocating, "SO-1", tea=2, milk=2, sugar=1)
    await scenario.go_on(database, never)
    await send(allocating, "SO-2", tea=1, milk=2, sugar=1)

    said = await problem(await retry(allocating), 409, "out-of-stock")

    assert said["short"] == [
        {"sku": "milk", "wanted": 2, "available": 0},
        {"sku": "tea", "wanted": 2, "available": 1},
    ]
    assert "2 of milk are wanted and 0 left" in said["detail"]
    assert [(await counters(database, product))[0] for product in products] == [2, 1, 1]
    await scenario.consume(database, settings, "process_order")
    assert sorted(await order_rows.statuses(database)) == ["created", "failed"]


async def test_whoever_cancels_an_order_that_waits_for_another_try_gives_its_stock_back(
    allocating: Client, database: Database, settings: Settings, never: Settings
) -> None:
    tea = await stock_rows.add(database, 5, sku="tea")
    await send(allocating, "SO-1", tea=2)
    for _ in range(2):
        await scenario.go_on(database, never)
        await scenario.consume(database, never, "process_order")
        assert await counters(database, tea) == (0, 5)
        await retry(allocating)

    assert (await allocating.post("/orders/SO-1/cancel")).status == 200

    assert await counters(database, tea) == (0, 5)
    await scenario.consume(database, settings, "process_order")
    assert await order_rows.statuses(database) == ["cancelled"]
    assert await stock_rows.differences(database) == []


async def test_no_stock_is_kept_for_a_try_that_nobody_makes(
    allocating: Client, database: Database, settings: Settings, never: Settings
) -> None:
    tea = await stock_rows.add(database, 5, sku="tea")
    await send(allocating, "SO-1", tea=2)
    await scenario.go_on(database, never)
    nobody = settings.model_copy(update={"processor": "none"})
    for _ in range(2):
        assert (await retry(allocating)).status == 202
        assert await counters(database, tea) == (2, 3)

        await scenario.consume(database, nobody, "process_order")

        assert await order_rows.statuses(database) == ["failed"]
        assert await counters(database, tea) == (0, 5)


async def test_of_many_that_are_redriven_those_without_stock_are_refused_and_the_others_go_on(
    allocating: Client, database: Database, settings: Settings
) -> None:
    tea = await stock_rows.add(database, 6, sku="tea")
    await given_up(allocating, database, "SO-1", "SO-2", "SO-3")
    await send(allocating, "SO-4", tea=2)

    wanted = RedriveLetters()
    job = await jobs.begin(database, settings, "redrive_dead_letters", wanted)
    ended = await jobs.finish(database, job, jobs.outside(settings))

    assert (ended.state, ended.done, ended.refused) == ("done", 2, 1)
    assert "2 of tea are wanted and 0 left" in str(ended.refusals[0])
    assert await counters(database, tea) == (6, 0)
    assert await stock_rows.differences(database) == []


async def test_one_letter_is_not_redriven_without_stock_and_takes_it_once(
    allocating: Client, database: Database
) -> None:
    tea = await stock_rows.add(database, 2, sku="tea")
    (letter,) = await given_up(allocating, database, "SO-1")
    async with database.transaction() as connection:
        await storage.stock_bookings.book(
            connection,
            [storage.stock_bookings.Line(sku="tea", count=1, reason="broken")],
            each_alone=False,
            actor="test",
        )
    with pytest.raises(OutOfStock, match="2 of tea are wanted and 1 left"):
        await redrive(database, letter)

    await stock_rows.book(database, "tea", 5)
    await redrive(database, letter)

    assert await counters(database, tea) == (2, 4)


async def test_one_that_is_given_up_again_before_it_began_gives_back_what_it_took(
    allocating: Client, database: Database
) -> None:
    tea = await stock_rows.add(database, 2, sku="tea")
    (letter,) = await given_up(allocating, database, "SO-1")
    await redrive(database, letter)
    assert await counters(database, tea) == (2, 0)

    await fail(database, "SO-1")

    assert await counters(database, tea) == (0, 2)


async def lock(connection: Connection, order_id: OrderId) -> Order:
    return await storage.orders.lock(connection, order_id)


async def lock_with_others(connection: Connection, order_id: OrderId) -> Order:
    (found,) = await storage.orders.lock_all(connection, [order_id], wait=True)
    return found


@pytest.mark.parametrize("locks", [lock, lock_with_others])
async def test_an_order_that_is_locked_is_shown_as_it_is_once_the_lock_was_waited_for(
    database: Database, locks: Callable[[Connection, OrderId], Awaitable[Order]]
) -> None:
    order = await scenario.place(database)

    async def looked_at() -> int:
        async with database.transaction() as connection:
            return (await locks(connection, order.order_id)).items[0].shipped

    async with database.transaction() as connection:
        await lock(connection, order.order_id)
        waiting = asyncio.ensure_future(looked_at())
        async with asyncio.timeout(PATIENCE):
            while not await scenario.count_who_wait(database):
                await asyncio.sleep(0.01)
        await services.order_moves.ship(
            connection, str(order.order_id), Asked(actor="test"), lines=[Leaving(1, 1)]
        )

    assert await waiting == 1


async def test_what_was_allocated_leaves_though_its_product_has_another_sku_by_now(
    allocating: Client, database: Database
) -> None:
    tea = await stock_rows.add(database, 5, sku="tea")
    await send(allocating, "SO-1", tea=2)
    changes = Changes(sku="green-tea")
    await database.ask(storage.products.change, tea, changes, seen=None)

    async with database.transaction() as connection:
        await services.order_moves.ship(connection, "SO-1", Asked(actor="test"))

    level = await stock_rows.level(database, tea)
    assert (level.on_hand, level.allocated, level.shipped) == (3, 0, 2)

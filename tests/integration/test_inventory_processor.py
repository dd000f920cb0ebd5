"""Orders that were accepted without stock take it when they are processed, and prices, too."""

from __future__ import annotations

import asyncio

import pytest

from orderbus import services
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.integration.test_allocating import counters
from tests.support import event_rows, order_rows, scenario, stock_rows


@pytest.fixture
def inventory(settings: Settings) -> Settings:
    return settings.model_copy(update={"processor": "inventory"})


def lines(**quantities: int) -> list[dict[str, object]]:
    return [
        {"sku": sku, "name": sku, "quantity": quantity, "unit_price": 1}
        for sku, quantity in quantities.items()
    ]


async def place(database: Database, reference: str, **quantities: int) -> None:
    await scenario.place(database, reference, items=lines(**quantities))


async def test_an_order_that_came_without_stock_takes_it_when_it_is_processed_and_only_once(
    database: Database, inventory: Settings
) -> None:
    tea = await stock_rows.add(database, 5, sku="tea")
    await place(database, "SO-1", tea=2, unknown=9)

    await scenario.go_on(database, inventory)
    assert await counters(database, tea) == (2, 3)
    async with database.transaction() as connection:
        await services.order_moves.ship(
            connection, "SO-1", services.order_moves.Asked(actor="test")
        )

    level = await stock_rows.level(database, tea)
    assert (level.on_hand, level.allocated, level.shipped) == (3, 0, 2)
    assert await order_rows.statuses(database) == ["completed"]
    assert await stock_rows.differences(database) == []


async def test_an_order_of_which_something_is_short_fails_and_says_so_in_a_word_and_by_line(
    database: Database, inventory: Settings
) -> None:
    tea = await stock_rows.add(database, 5, sku="tea")
    milk = await stock_rows.add(database, 1, sku="milk")
    await place(database, "SO-1", tea=2, milk=3)

    await scenario.go_on(database, inventory)

    failed = await event_rows.content(database, "order.failed")
    assert failed["cause"] == "inventory"
    assert failed["short"] == [{"sku": "milk", "wanted": 3, "available": 1}]
    assert "3 of milk are wanted and 1 left" in failed["processing"]["error_message"]
    assert await counters(database, tea) == (0, 5)
    assert await counters(database, milk) == (0, 1)


async def test_of_many_that_are_processed_together_no_more_are_completed_than_there_is_stock(
    database: Database, inventory: Settings
) -> None:
    products = [await stock_rows.add(database, 10, sku=sku) for sku in ("a", "b")]
    await asyncio.gather(*(place(database, f"SO-{n:02}", b=1, a=1) for n in range(16)))

    await scenario.go_on(database, inventory)

    assert sorted(await order_rows.statuses(database)) == ["completed"] * 10 + ["failed"] * 6
    assert [await counters(database, product) for product in products] == [(10, 0)] * 2
    assert await stock_rows.differences(database) == []


async def test_an_order_is_not_refused_for_one_before_it_that_got_nothing(
    database: Database, inventory: Settings
) -> None:
    milk = await stock_rows.add(database, 5, sku="milk")
    await stock_rows.add(database, 0, sku="tea")
    await place(database, "SO-1", milk=5, tea=1)
    await place(database, "SO-2", milk=4)
    await place(database, "SO-3", milk=2)
    await place(database, "SO-4", milk=1)

    await scenario.go_on(database, inventory)

    assert await order_rows.statuses(database) == ["failed", "completed", "failed", "completed"]
    failed = await event_rows.contents(database, "order.failed")
    assert [each["short"] for each in failed] == [
        [{"sku": "tea", "wanted": 1, "available": 0}],
        [{"sku": "milk", "wanted": 2, "available": 1}],
    ]
    assert await counters(database, milk) == (5, 0)
    assert await stock_rows.differences(database) == []


async def test_an_order_that_failed_for_stock_is_completed_once_there_is_some(
    database: Database, inventory: Settings
) -> None:
    tea = await stock_rows.add(database, 1, sku="tea")
    await place(database, "SO-1", tea=2)
    await scenario.go_on(database, inventory)
    await stock_rows.book(database, "tea", 1)

    async with database.transaction() as connection:
        await services.processing.retry(connection, "SO-1", actor="test", seen=None)
    await scenario.consume(database, inventory, "process_order")

    assert await order_rows.statuses(database) == ["completed"]
    assert await counters(database, tea) == (2, 0)


async def test_priced_takes_the_price_of_a_line_from_the_catalogue_where_it_is_sold(
    database: Database, settings: Settings
) -> None:
    await stock_rows.add(database, 0, sku="tea")  # at 5.00
    gone = await stock_rows.add(database, 0, sku="gone")
    await stock_rows.withdraw(database, gone)
    await scenario.place(database, total=0, items=lines(tea=2, gone=1, unknown=1))

    await scenario.go_on(database, settings.model_copy(update={"processor": "priced"}))

    completed = await event_rows.content(database, "order.completed")
    assert completed["processing"]["amount"] == "12.00"

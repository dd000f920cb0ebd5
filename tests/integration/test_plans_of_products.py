"""A list of 100,000 products is answered from an index, or by a look at a bounded part of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from orderbus import storage
from orderbus.domain.stock import MOST_LINES
from orderbus.storage.database import Connection, Database
from orderbus.storage.product_lists import MOST_COUNTED, MOST_FOUND, Filter
from orderbus.storage.stock import Concerned, Left
from orderbus.storage.stock_bookings import Line
from tests.support import many_products as many_rows
from tests.support import order_rows, scenario, stock_rows
from tests.support.plans import BOUND, plans, quiet_connection

pytestmark = pytest.mark.once

PRODUCTS = 100_000
#: Orders of so many lines each, which take their stock in one statement.
ORDERS, LINES = 10, 20
#: What fits nearly all, few and none of them.
WANTED: tuple[dict[str, Any], ...] = (
    {},
    {"ordering": "-id"},
    {"ordering": "price"},
    {"ordering": "-name"},
    {"name": "Guitar 70000"},
    {"name": "Drum"},
    {"sku": "sku-70000"},
    {"price": Decimal(70_000)},
    {"price__gte": Decimal(1)},
    {"price__gte": Decimal(99_990)},
    {"price__lte": Decimal(5), "ordering": "-price"},
    {"price__gte": Decimal(50_000), "price__lte": Decimal(50_004)},
    {"category": "guitars"},
    {"category": "drums"},
    {"category": "snares"},
    {"category": "guitars", "in_stock": False},
    {"category": "drums", "in_stock": False, "ordering": "-id"},
    {"category": "drums", "sku": "sku-9004"},
    {"in_stock": True, "price__gte": Decimal(99_900)},
    {"in_stock": True},
    {"in_stock": False},
    {"active": False},
    {"search": "red"},
)


@pytest.fixture
async def many_products(database: Database) -> AsyncIterator[Connection]:
    async with quiet_connection(database) as connection:
        await many_rows.add(connection, PRODUCTS)
        yield connection


async def faults(connection: Connection, mode: str, wanted: Filter, bound: int) -> list[str]:
    async def ask(connection: Connection) -> None:
        await storage.product_lists.list_page(connection, wanted, limit=11, offset=0)

    (plan,) = await plans(connection, mode, ask)
    return plan.faults(bound)


async def test_every_filter_and_every_order_is_answered_from_an_index(
    many_products: Connection,
) -> None:
    found = {}
    for mode in ("generic", "custom"):
        for wanted in WANTED:
            if wrong := await faults(many_products, mode, Filter(**wanted), BOUND):
                found[mode, str(wanted)] = wrong
        for search in (Filter(search="electric"), Filter(search="electric", ordering="name")):
            if wrong := await faults(many_products, mode, search, 4 * MOST_FOUND):
                found[mode, str(search)] = wrong
        looked_through = Filter(name__icontains="guitar 99999")
        if wrong := await faults(many_products, mode, looked_through, PRODUCTS):
            found[mode, str(looked_through)] = wrong

    assert not found, found


async def test_a_list_is_counted_up_to_a_bound_and_reads_no_table_from_end_to_end(
    many_products: Connection,
) -> None:
    few = (Filter(in_stock=True), Filter(category="drums"), Filter(search="red"))
    both = [Filter(category="guitars", in_stock=is_in_stock) for is_in_stock in (True, False)]
    for wanted in (Filter(), *few, *both):

        async def count(connection: Connection, wanted: Filter = wanted) -> None:
            await storage.product_lists.count(connection, wanted)

        (plan,) = await plans(many_products, "generic", count)
        assert plan.faults(BOUND if wanted in few else MOST_COUNTED) == [], wanted
    counted = await storage.product_lists.count(many_products, Filter())
    assert counted == MOST_COUNTED


@pytest.mark.parametrize("mode", ["generic", "custom"])
async def test_a_batch_looks_each_of_its_products_up_however_many_there_are(
    many_products: Connection, mode: str
) -> None:
    lines = [Line(sku=f"sku-{number}", delta=1) for number in range(1, MOST_LINES + 1)]
    booked = []

    async def book(connection: Connection) -> None:
        booked.extend(
            await storage.stock_bookings.book(connection, lines, each_alone=True, actor="test")
        )

    *_, plan = await plans(many_products, mode, book)  # asyncpg looks types up before it

    assert all(each.ok for each in booked)
    assert plan.faults(MOST_LINES) == []


@pytest.mark.parametrize("mode", ["generic", "custom"])
async def test_orders_find_what_they_are_of_by_index_when_they_take_it_and_when_it_leaves(
    database: Database, many_products: Connection, mode: str
) -> None:
    names = [f"sku-{number}" for number in range(3, LINES + 3)]  # the second is not sold
    items = [{"sku": sku, "name": sku, "quantity": 1, "unit_price": 1} for sku in names]
    placed = [
        await scenario.place(database, items=items[number:] + items[:number])
        for number in range(ORDERS)
    ]
    orders = await order_rows.keys(database, [order.order_id for order in placed])
    left = [Left(order, line, 1) for order in orders for line in range(1, LINES + 1)]

    async def work(connection: Connection) -> None:
        wanting = [Concerned(order, "test") for order in orders]
        short = await storage.allocating_later.take_named(connection, wanting)
        assert len(short) == ORDERS
        assert await storage.stock.leaving(connection, left) == []

    async def work_with_stock(connection: Connection) -> None:
        await work(connection)
        async with database.connection() as another:  # what is asked for again is there then
            await many_rows.book(another, LINES + 2, ORDERS)

    await work(many_products)  # asyncpg looks types up before it
    taking, leaving = await plans(many_products, mode, work_with_stock)

    # For each line it looks at what its order has, and at none of the other products.
    assert (taking.faults(BOUND), leaving.faults(LINES * len(left))) == ([], [])
    assert await stock_rows.movements(database) == LINES + 2 + len(left)

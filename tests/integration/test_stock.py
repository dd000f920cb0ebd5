"""Stock cannot be oversold, by nobody, and what is counted is what moved."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from orderbus import services, storage
from orderbus.domain.stock import MOST_UNITS
from orderbus.errors import Invalid
from orderbus.settings import Settings
from orderbus.storage.database import Database, open_database
from orderbus.storage.stock import Movement, Short
from orderbus.storage.stock_bookings import Booked, Line
from tests.support import stock_rows

BUYERS = 200
CONNECTIONS = 40


async def move(database: Database, *movements: Movement) -> list[Short]:
    async with database.transaction() as connection:
        return await storage.stock.move(connection, movements, actor="test")


async def book(database: Database, *lines: Line, each_alone: bool = False) -> list[Booked]:
    async with database.transaction() as connection:
        return await services.stock.book(connection, lines, each_alone=each_alone, actor="test")


@pytest.fixture
async def order(database: Database) -> int:
    return await stock_rows.order_pk(database)


@pytest.fixture
async def many(settings: Settings) -> Any:
    async with open_database(settings.model_copy(update={"db_pool_size": CONNECTIONS})) as database:
        yield database


async def test_two_hundred_who_want_one_of_ten_get_exactly_ten(
    database: Database, many: Database, order: int
) -> None:
    product = await stock_rows.add(database, 10)
    one = Movement(product, "allocated", 1, order_pk=order)

    turn = asyncio.Semaphore(CONNECTIONS)  # whoever waits has a connection

    async def buy() -> list[Short]:
        async with turn:
            return await move(many, one)

    answers = await asyncio.gather(*(buy() for _ in range(BUYERS)))

    assert sum(not short for short in answers) == 10
    assert [each for each in answers if each] == [[Short(product, 0)]] * (BUYERS - 10)
    level = await stock_rows.level(database, product)
    assert (level.on_hand, level.allocated, level.available) == (10, 10, 0)
    assert await stock_rows.differences(database) == []


async def test_baskets_of_two_in_any_order_never_wait_in_a_circle(
    database: Database, many: Database, order: int
) -> None:
    products = [await stock_rows.add(database, 1000) for _ in range(3)]
    chance = random.Random(7)  # noqa: S311 - no secret

    turn = asyncio.Semaphore(CONNECTIONS)  # whoever waits has a connection

    async def buy() -> list[Short]:
        async with turn:
            return await move(
                many,
                *(
                    Movement(product, "allocated", 1, order_pk=order)
                    for product in chance.sample(products, 2)
                ),
            )

    async def book_in() -> None:
        ids = chance.sample(products, 3)
        async with turn:
            skus = [(await stock_rows.level(many, product)).sku for product in ids]
            await book(many, *(Line(sku=sku, delta=1) for sku in skus))

    await asyncio.gather(*(buy() for _ in range(120)), *(book_in() for _ in range(40)))

    levels = [await stock_rows.level(database, product) for product in products]
    assert sum(level.allocated for level in levels) == 240
    assert [level.on_hand for level in levels] == [1040] * 3
    assert await stock_rows.differences(database) == []


async def test_a_basket_is_had_whole_or_not_at_all_and_every_short_line_is_named(
    database: Database, order: int
) -> None:
    plenty, few, none = [await stock_rows.add(database, on_hand) for on_hand in (9, 2, 0)]
    unknown = none + 1

    short = await move(
        database,
        *(Movement(each, "allocated", 3, order_pk=order) for each in (unknown, few, plenty, none)),
    )

    assert short == [Short(few, 2), Short(none, 0), Short(unknown, None)]
    assert (await stock_rows.level(database, plenty)).allocated == 0
    assert await stock_rows.differences(database) == []


async def test_stock_goes_from_the_shelf_to_a_cart_to_an_order_and_out_of_the_house(
    database: Database, order: int
) -> None:
    product, cart = await stock_rows.add(database, 10), uuid4()

    assert await move(database, Movement(product, "reserved", 6, cart_uuid=cart)) == []
    assert await move(database, Movement(product, "released", 1, cart_uuid=cart)) == []
    bought = Movement(product, "bought", 5, order_pk=order, cart_uuid=cart)
    assert await move(database, bought) == []
    assert await move(database, Movement(product, "returned", 1, order_pk=order)) == []
    assert await move(database, Movement(product, "shipped", 3, order_pk=order)) == []

    level = await stock_rows.level(database, product)
    assert (level.on_hand, level.reserved, level.allocated) == (7, 0, 1)
    assert (level.shipped, level.available) == (3, 6)
    shown = await database.ask(storage.stock_views.list_movements, product, at_most=10)
    kinds = [each.kind for each in shown]
    assert kinds == ["shipped", "returned", "bought", "released", "reserved", "received"]
    assert shown[0].order_id is not None
    assert await stock_rows.differences(database) == []


@pytest.mark.parametrize("kind", ["released", "bought", "returned", "shipped"])
async def test_nothing_is_given_back_twice(database: Database, order: int, kind: Any) -> None:
    product, cart = await stock_rows.add(database, 10), uuid4()
    of_cart, of_order = {"cart_uuid": cart}, {"order_pk": order}
    await move(database, Movement(product, "reserved", 2, cart_uuid=cart))
    await move(database, Movement(product, "allocated", 2, order_pk=order))
    whose: dict[str, dict[str, Any]] = {"released": of_cart, "bought": {**of_cart, **of_order}}
    again = Movement(product, kind, 2, **whose.get(kind, of_order))
    assert await move(database, again) == []
    after = await stock_rows.level(database, product)

    assert [each.product_id for each in await move(database, again)] == [product]

    assert await stock_rows.level(database, product) == after
    assert await stock_rows.differences(database) == []


async def test_what_may_be_sold_beyond_what_is_there_has_a_limit(
    database: Database, order: int
) -> None:
    product = await stock_rows.add(database, 1)
    await stock_rows.allow_backorders(database, product, 2)

    assert await move(database, Movement(product, "allocated", 3, order_pk=order)) == []
    assert await move(database, Movement(product, "allocated", 1, order_pk=order)) == [
        Short(product, 0)
    ]
    assert (await stock_rows.level(database, product)).available == -2
    assert await move(database, Movement(product, "shipped", 2, order_pk=order)) != []


@pytest.mark.parametrize(
    "change", ["allocated = 11", "reserved = 11", "on_hand = -1", "allocated = -1", "shipped = -1"]
)
async def test_the_database_itself_refuses_what_would_oversell(
    database: Database, change: str
) -> None:
    await stock_rows.add(database, 10)
    with pytest.raises(asyncpg.CheckViolationError):
        await stock_rows.write_past_us(database, change)


@pytest.mark.parametrize("act", [stock_rows.rewrite_movements, stock_rows.remove_movements])
async def test_what_moved_is_never_written_anew(
    database: Database, act: Callable[[Database], Awaitable[None]]
) -> None:
    await stock_rows.add(database, 10)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="append-only"):
        await act(database)


async def test_a_counter_that_somebody_wrote_past_us_is_found(database: Database) -> None:
    await stock_rows.add(database, 10, sku="tea")
    await stock_rows.write_past_us(database, "on_hand = 9")
    await stock_rows.add(database, 10)

    (found,) = await stock_rows.differences(database)

    assert (found.sku, found.counter, found.kept, found.moved) == ("tea", "on_hand", 9, 10)


async def test_each_line_of_a_booking_says_what_became_of_it(
    database: Database, order: int
) -> None:
    for sku, on_hand in (("a", 5), ("b", 5), ("c", 5), ("d", 5), ("e", MOST_UNITS)):
        product = await stock_rows.add(database, on_hand, sku=sku)
        if sku == "b":
            await move(database, Movement(product, "allocated", 4, order_pk=order))
    lines = [
        Line(sku="a", delta=-5, reason="broken"),
        Line(sku="b", count=3, reason="count"),
        Line(sku="c", count=7, expected=4, reason="count"),
        Line(sku="d", delta=-6, reason="lost"),
        Line(sku="e", delta=1),
        Line(sku="f", delta=1),
    ]
    moved = await stock_rows.movements(database)

    none = await book(database, *lines)
    assert await stock_rows.movements(database) == moved
    some = await book(database, *lines, each_alone=True)

    errors = [None, "promised", "stale", "not_there", "too_many", "unknown"]
    assert [each.error for each in none] == [each.error for each in some] == errors
    assert [each.ok for each in none] == [False] * 6
    assert [each.ok for each in some] == [True] + [False] * 5
    assert (some[0].before, some[0].after) == (5, 0)
    assert services.stock.refusal(some[1]) == (
        "4 are reserved for carts and allocated to orders: fewer cannot be left"
    )
    assert await stock_rows.movements(database) == moved + 1
    assert await stock_rows.differences(database) == []


async def test_what_is_counted_as_it_is_moves_nothing(database: Database) -> None:
    await stock_rows.add(database, 5, sku="a")
    moved = await stock_rows.movements(database)

    (line,) = await book(database, Line(sku="a", count=5, expected=5, reason="count"))

    assert (line.ok, line.before, line.after) == (True, 5, 5)
    assert await stock_rows.movements(database) == moved


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "0 lines"),
        ([Line(sku="a", delta=1)] * 1001, "1001 lines"),
        ([Line(delta=1)], "name a product"),
        ([Line(sku="a", product=uuid4(), delta=1)], "name a product"),
        ([Line(sku="a")], "either the count or the delta"),
        ([Line(sku="a", count=1, delta=1)], "either the count or the delta"),
        ([Line(sku="a", delta=-1)], "give the reason"),
        ([Line(sku="a", delta=2**40)], "at most"),
    ],
)
async def test_a_booking_that_says_nothing_clear_is_refused_before_it_costs_anything(
    database: Database, lines: list[Line], said: str
) -> None:
    with pytest.raises(Invalid, match=said):
        await book(database, *lines)


async def test_one_product_by_its_sku_and_by_its_uuid_is_one_product(database: Database) -> None:
    await stock_rows.add(database, 5, sku="a")
    product = await database.ask(storage.products.get, "a")
    lines = [Line(sku="a", delta=1), Line(product=product.uuid, delta=1)]

    none = await book(database, *lines)
    some = await book(database, *lines, each_alone=True)

    assert [each.error for each in none] == [each.error for each in some] == [None, "twice"]
    assert ([each.ok for each in none], [each.ok for each in some]) == ([False] * 2, [True, False])
    assert (await stock_rows.level(database, product.id)).on_hand == 6
    assert await stock_rows.differences(database) == []

"""Whoever fills, leaves and closes carts at once: counters stay the sum of what moved."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from decimal import Decimal

from orderbus import services, storage
from orderbus.domain.carts import OpenCart, PutItem
from orderbus.domain.orders import Item
from orderbus.errors import OutOfStock
from orderbus.settings import Settings
from orderbus.storage.database import Database, open_database
from tests.support import reservation_rows, scenario, stock_rows
from tests.support.waiting import until_true

SHORT = timedelta(minutes=1)


async def test_shoppers_that_come_and_go_at_once_leave_counters_that_are_the_sum_of_movements(
    database: Database, settings: Settings
) -> None:
    """Carts are filled, emptied, left, closed and ordered in any order."""
    skus = ["tea", "cake", "milk"]
    products = [await stock_rows.add(database, 20, sku=sku) for sku in skus]
    dice = random.Random(7)  # noqa: S311 - the same each time

    async def shop(many: Database, choices: random.Random) -> None:
        cart = await many.ask(storage.carts.add, OpenCart(total_amount=Decimal(0)))
        for _ in range(6):
            item = PutItem(sku=choices.choice(skus), quantity=choices.randrange(4))
            try:
                async with many.transaction() as connection:
                    await services.carts.put_item(connection, cart, item, hold_for=SHORT)
            except OutOfStock:
                pass
            if choices.random() < 0.2:
                await reservation_rows.let_time_pass(many)
                await services.carts.let_lapse(many)
        try:
            await many.ask(storage.carts.check_out, cart, traceparent=None)
        except OutOfStock:
            return
        async with many.transaction() as connection:
            placed = await scenario.place(many)
            await storage.reservations.become_order(
                connection, cart, order_id=placed.order_id, actor="test"
            )

    async with open_database(settings.model_copy(update={"db_pool_size": 30})) as many:
        await asyncio.gather(*(shop(many, random.Random(dice.random())) for _ in range(24)))  # noqa: S311

    assert await stock_rows.differences(database) == []
    for product in products:
        level = await stock_rows.level(database, product)
        assert level.available >= 0
        assert level.allocated > 0


async def test_whoever_closes_a_cart_while_it_lapses_holds_what_is_in_the_counters(
    database: Database, settings: Settings
) -> None:
    """The dispatcher has locked the reservation and not committed yet when the cart is closed."""
    tea = await stock_rows.add(database, 10, sku="tea")
    uuid = await database.ask(
        services.carts.open_cart,
        OpenCart(items=(Item(sku="tea", name="Tea", quantity=6, unit_price=Decimal(5)),)),
        hold_for=SHORT,
    )
    await reservation_rows.let_time_pass(database)
    async with open_database(settings) as other:
        async with database.transaction() as lapsing:
            assert await storage.reservations.lapse(lapsing, at_most=9) == 1
            closing = asyncio.create_task(
                other.ask(storage.carts.check_out, uuid, traceparent=None)
            )
            await until_true(lambda: scenario.count_who_wait(other), "it waits")
        assert await closing

    assert await reservation_rows.held(database, uuid) == 6
    assert (await stock_rows.level(database, tea)).reserved == 6
    assert await stock_rows.differences(database) == []

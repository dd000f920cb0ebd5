"""Whoever waited for a product's row decides by what is in it then, not by what it saw before."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any

import pytest

from orderbus import services, storage
from orderbus.storage.database import Database
from orderbus.storage.stock import Movement, Short
from orderbus.storage.stock_bookings import Booked, Line
from tests.support import scenario, stock_rows
from tests.support.waiting import until_true


async def move(database: Database, *movements: Movement) -> list[Short]:
    async with database.transaction() as connection:
        return await storage.stock.move(connection, movements, actor="test")


async def book(database: Database, line: Line) -> list[Booked]:
    async with database.transaction() as connection:
        return await services.stock.book(connection, [line], each_alone=False, actor="test")


@pytest.fixture
async def order(database: Database) -> int:
    return await stock_rows.order_pk(database)


async def test_whoever_waited_for_the_row_sees_what_the_other_left(
    database: Database, order: int
) -> None:
    """The statement began when there were ten; it decides once the other has committed."""
    product = await stock_rows.add(database, 10)
    eight = Movement(product, "allocated", 8, order_pk=order)
    async with database.transaction() as first:
        assert await storage.stock.move(first, [eight], actor="test") == []
        waiting = asyncio.create_task(move(database, eight))
        await until_true(partial(scenario.count_who_wait, database), "it waits for the row")

    assert await waiting == [Short(product, 2)]
    assert await stock_rows.differences(database) == []


@pytest.mark.parametrize("what", ["moved", "booked"])
async def test_whoever_waited_for_the_row_has_what_the_other_gave_back(
    database: Database, order: int, what: str
) -> None:
    """The statement began when there was none; no check refuses what it decides afterwards."""
    product = await stock_rows.add(database, 10)
    await move(database, Movement(product, "allocated", 10, order_pk=order))
    five = Line(sku=(await stock_rows.level(database, product)).sku, delta=-5, reason="a test")
    async with database.transaction() as first:
        back = Movement(product, "returned", 6, order_pk=order)
        assert await storage.stock.move(first, [back], actor="test") == []
        again = Movement(product, "allocated", 5, order_pk=order)
        act: Coroutine[Any, Any, Any] = (
            move(database, again) if what == "moved" else book(database, five)
        )
        waiting = asyncio.create_task(act)
        await until_true(partial(scenario.count_who_wait, database), "it waits for the row")

    assert [line for line in await waiting if not getattr(line, "ok", False)] == []
    assert (await stock_rows.level(database, product)).available == 1
    assert await stock_rows.differences(database) == []

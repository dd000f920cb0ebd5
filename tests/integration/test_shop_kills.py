"""Whoever is killed at work on an order of the shop has done all of it, or nothing."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.support import dies_between, order_rows, stock_rows
from tests.support.shop_clients import Shop
from tests.support.stock_model import Book

pytestmark = pytest.mark.once

SOLD, NEW = range(2)


@pytest.mark.parametrize(
    ("act", "given", "allocated", "history"),
    [
        ("sell", (NEW, {0: 1, 1: 5}), (5, 6), 4),
        ("sell_another", (SOLD, {0: 1, 1: 3}), (1, 3), 1),
        ("remove", (SOLD,), (0, 0), 2),
    ],
)
async def test_what_the_shop_does_is_done_wholly_or_not_at_all(
    database: Database,
    settings: Settings,
    act: str,
    given: tuple[Any, ...],
    allocated: tuple[int, int],
    history: int,
) -> None:
    shop = await Shop.opened(database, 2)
    for product in (0, 1):
        await shop.do(Book(product, 20))
    await shop.sell(SOLD, {0: 4, 1: 1})
    now: tuple[int, ...] = ()
    for last in count(1):
        is_over = await dies_between.carried_out(settings, shop, act, *given, last=last)
        now = tuple(each.allocated for each in await shop.counters())
        told = await order_rows.count_history(database)
        assert await stock_rows.differences(database) == []
        assert (now, told) in {((4, 1), 4), (allocated, 4 + history)}
        if is_over or now == allocated:
            break

    assert now == allocated
    assert set(await order_rows.statuses(database)) <= {"completed", "cancelled"}
    assert last > 5

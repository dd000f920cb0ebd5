"""Whoever is killed between two steps of moving stock has done all of it, or nothing."""

from __future__ import annotations

from itertools import count

import pytest

from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.support import dies_between, stock_rows
from tests.support.shop_clients import Shop
from tests.support.stock_model import (
    Book,
    Cancel,
    Command,
    Fail,
    Open,
    Place,
    Put,
    Send,
    SetAside,
    Ship,
    TakeAgain,
)

pytestmark = pytest.mark.once

CART, BOUGHT, ORDER, NEW = range(4)


async def opened(database: Database) -> Shop:
    """A shop with an open cart, one that is closed, and an order."""
    shop = await Shop.opened(database, 2)
    for command in (
        Book(0, 20),
        Book(1, 20),
        SetAside(0, 1),
        Open(CART, {0: 2, 1: 1}),
        Open(BOUGHT, {0: 3, 1: 2}),
        Place(ORDER, {0: 4, 1: 1}),
    ):
        await shop.all_at_once([command])
    assert await shop.check_out(BOUGHT)
    return shop


@pytest.mark.parametrize(
    "command",
    [
        Book(0, -3),
        SetAside(0, 2),
        Send(0, 2),
        Open(NEW, {0: 1, 1: 5}),
        Put(CART, 0, 5),
        Put(CART, 1, 0),
        Place(NEW, {0: 1, 1: 5}),
        Cancel(ORDER),
        Fail(ORDER),
        Ship(ORDER),
    ],
    ids=str,
)
async def test_a_command_that_is_killed_is_done_wholly_or_not_at_all(
    database: Database, settings: Settings, command: Command
) -> None:
    shop = await opened(database)

    await killed_after_each_statement(database, settings, shop, command)


async def killed_after_each_statement(
    database: Database, settings: Settings, shop: Shop, command: Command
) -> None:
    now = before = await shop.counters()
    assert shop.model.do(command)

    for last in count(1):
        is_over = await dies_between.carried_out(settings, shop, "do", command, last=last)
        now = await shop.counters()
        assert await stock_rows.differences(database) == []
        assert now in (before, shop.model.counters)
        if is_over or now == shop.model.counters:
            break

    assert now == shop.model.counters
    assert last > 1


@pytest.mark.parametrize(("act", "cart"), [("check_out", CART), ("become_order", BOUGHT)])
async def test_a_cart_becomes_an_order_once_wherever_it_is_killed(
    database: Database, settings: Settings, act: str, cart: int
) -> None:
    shop = await opened(database)
    before = await shop.counters()
    for last in count(1):
        is_over = await dies_between.carried_out(settings, shop, act, cart, last=last)
        assert await stock_rows.differences(database) == []
        if is_over:
            break

    await shop.check_out(cart)
    order = await shop.become_order(cart)
    again = await shop.become_order(cart)

    assert order == again
    bought = {0: 2, 1: 1} if cart == CART else {0: 3, 1: 2}
    for product, counters in enumerate(before):
        counters.reserved -= bought[product]
        counters.allocated += bought[product]
    assert await shop.counters() == before
    assert await stock_rows.differences(database) == []


async def test_an_order_takes_its_stock_again_wholly_or_not_at_all(
    database: Database, settings: Settings
) -> None:
    shop = await opened(database)
    await shop.all_at_once([Fail(ORDER)])

    await killed_after_each_statement(database, settings, shop, TakeAgain(ORDER))


async def test_what_lapses_is_given_back_once_wherever_the_dispatcher_is_killed(
    database: Database, settings: Settings
) -> None:
    shop = await opened(database)
    shop.model.carts.pop(BOUGHT)
    shop.model.lapse()
    for last in count(1):
        is_over = await dies_between.carried_out(settings, shop, "let_time_pass", last=last)
        assert await stock_rows.differences(database) == []
        if is_over:
            break

    assert await shop.counters() == shop.model.counters

"""However many carts hold something, whoever looks for what lapsed reads that alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from orderbus import storage
from orderbus.storage.database import Connection, Database
from tests.support import cart_rows, reservation_rows
from tests.support.plans import BOUND, plans, quiet_connection

CARTS = 60_000


@pytest.fixture
async def many_carts(database: Database) -> AsyncIterator[Connection]:
    async with quiet_connection(database) as connection:
        await reservation_rows.add_many(connection, CARTS)
        yield connection


@pytest.mark.parametrize("mode", ["custom", "generic"])
@pytest.mark.parametrize("every", [2, 6_000])
async def test_the_carts_of_one_customer_are_found_by_index(
    many_carts: Connection, mode: str, every: int
) -> None:
    customer = uuid4()
    await cart_rows.give_away(many_carts, customer, every)

    async def work(connection: Connection) -> None:
        found = await storage.carts.list_after(connection, 0, at_most=10, customer=customer)
        assert len(found) >= 5

    (plan,) = await plans(many_carts, mode, work)

    assert plan.faults(BOUND) == []


@pytest.mark.parametrize("mode", ["custom", "generic"])
async def test_what_lapses_and_what_a_cart_holds_is_found_by_index(
    many_carts: Connection, mode: str
) -> None:
    cart: UUID = await reservation_rows.an_open_cart(many_carts)

    async def work(connection: Connection) -> None:
        assert await storage.reservations.lapse(connection, at_most=3) == 3
        await storage.reservations.list_of(connection, cart)
        assert await storage.carts.check_out(connection, cart, traceparent=None)

    found = await plans(many_carts, mode, work)

    assert [plan.faults(BOUND) for plan in found] == [[]] * len(found)

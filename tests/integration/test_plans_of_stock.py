"""However much has moved, what is owed to one order, set aside or moved lately is looked up."""

from __future__ import annotations

import pytest

from orderbus import storage
from orderbus.storage.database import Connection, Database
from tests.support import stock_rows
from tests.support.plans import BOUND, plans, quiet_connection

MOVEMENTS = 100_000


@pytest.mark.parametrize("mode", ["custom", "generic"])
async def test_what_an_order_gives_back_or_moved_lately_is_found_by_index(
    database: Database, mode: str
) -> None:
    order = await stock_rows.order_pk(database)
    product = await stock_rows.add(database, 10)
    async with quiet_connection(database) as connection:
        await stock_rows.add_movements(connection, product, order, MOVEMENTS)

        async def work(connection: Connection) -> None:
            ended = [storage.stock.Concerned(order + 1, "test")]
            await storage.stock.give_back(connection, ended)
            assert await storage.stock.set_aside_of(connection, product) == 0
            begun = await storage.product_changes.begin(connection)
            await storage.product_changes.since(connection, begun)

        found = await plans(connection, mode, work)

    assert [plan.faults(BOUND) for plan in found] == [[]] * len(found)

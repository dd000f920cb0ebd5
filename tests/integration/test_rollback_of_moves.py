"""The second axis can be undone with orders on it: it is said what is lost, and all goes on."""

from __future__ import annotations

import asyncio

from orderbus import services, storage
from orderbus.domain.orders import OrderId
from orderbus.domain.states import Fulfillment, State, Status
from orderbus.services.order_moves import Asked
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.integration.test_rollback import down, up
from tests.support import consumption_rows, order_rows, scenario
from tests.support.migration_files import NAMES
from tests.support.scripted_processor import NAME, due, process

SINCE = NAMES[NAMES.index("0030.held-and-shipped") :]
ASKED = Asked(actor="test")


async def test_with_orders_held_shipped_and_cancelled_it_goes_down_and_up_again(
    database: Database, settings: Settings
) -> None:
    held = OrderId(await due(database))
    shipped, cancelled = [(await scenario.place(database)).order_id for _ in range(2)]
    async with database.transaction() as connection:
        await services.order_moves.hold(connection, str(held), ASKED)
        await services.order_moves.ship(connection, str(shipped), ASKED)
        await services.order_moves.cancel(connection, str(cancelled), ASKED)
    await process(database, settings)
    assert not (await consumption_rows.only(database))["is_due"]

    undone = await asyncio.to_thread(down, settings, len(SINCE))

    lost = {(loss.table, loss.column, loss.count) for loss in undone.losses}
    assert {("orders.orders", "on_hold", 1), ("orders.order_items", "shipped", 2)} <= lost
    assert (await consumption_rows.only(database))["is_due"]  # nobody would release it
    await order_rows.set_status(database, held, "in_progress")
    assert await order_rows.refuses(database, held, "status", "created")

    assert await asyncio.to_thread(up, settings) == SINCE
    async with database.connection() as connection:
        found = {
            name: (await storage.orders.get(connection, str(order_id))).state
            for name, order_id in (("held", held), ("shipped", shipped), ("gone", cancelled))
        }
    assert found == {
        "held": State(Status.IN_PROGRESS),
        "shipped": State(),
        "gone": State(Status.CANCELLED, Fulfillment.CANCELLED),
    }
    await scenario.consume(database, settings, NAME)
    assert await consumption_rows.states(database) == {"done"}

"""Orders of the shop can be undone to orders like any other: it is said what is lost."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from uuid import UUID, uuid4

from orderbus import services, storage
from orderbus.domain.carts import OpenCart
from orderbus.domain.shop_orders import ShopLine
from orderbus.services.shop_orders import ToPlace
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.integration.test_rollback import down, up
from tests.support import order_rows, samples
from tests.support.migration_files import NAMES

SINCE = NAMES[NAMES.index("0032.orders-of-customers") :]
CUSTOMER = uuid4()


async def placed(database: Database) -> str:
    wanted = ToPlace(
        customer=CUSTOMER,
        lines=[ShopLine(uuid4(), 1, Decimal(1))],
        total=Decimal(1),
        takes_stock=False,
        trusts_prices=True,
        actor="test",
        traceparent=None,
    )
    async with database.transaction() as connection:
        return (await services.shop_orders.place(connection, wanted)).external_ref


async def test_orders_of_the_shop_become_orders_of_the_version_before_and_stay_so(
    database: Database, settings: Settings
) -> None:
    first, second = await placed(database), await placed(database)
    async with database.connection() as connection:  # somebody chose that reference
        chosen = replace(samples.order(second), source="api")
        await services.orders.accept(connection, chosen, traceparent=None)
    cart = OpenCart(total_amount=Decimal(1))
    await database.ask(storage.carts.add, cart, customer=CUSTOMER)

    undone = await asyncio.to_thread(down, settings, len(SINCE))

    lost = {(loss.table, loss.column, loss.count) for loss in undone.losses}
    assert {
        ("orders.orders", "customer_id", 2),
        ("orders.order_items", "product_uuid", 2),
        ("orders.carts", "customer_id", 1),
    } <= lost
    assert await order_rows.sources(database) == {"api": 3}
    assert await asyncio.to_thread(up, settings) == SINCE
    async with database.connection() as connection:
        order = await storage.orders.get(connection, first)
        also = await storage.orders.get(connection, f"{second} of the catalogue")
    assert (order.source, order.status, order.customer_id) == ("api", "completed", None)
    assert also.order_id == UUID(second)

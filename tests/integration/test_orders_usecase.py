"""The order service's tests of its use cases, under their names, against real services."""

from __future__ import annotations

from decimal import Decimal
from uuid import uuid4

import pytest

from orderbus import services, storage
from orderbus.domain.orders import Customer, Item, PlaceOrder
from orderbus.errors import NotFound
from orderbus.services.orders import Placed
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.support import event_rows, scenario


async def create(database: Database) -> Placed:
    item = Item(sku="prod_001", name="prod_001", quantity=2, unit_price=Decimal(0))
    order = PlaceOrder(
        source="api",
        external_ref=str(uuid4()),
        total=Decimal("100.50"),
        items=(item,),
        customer=Customer(ref="user_123"),
    )
    async with database.transaction() as connection:
        return await services.orders.accept(connection, order, traceparent=None)


async def test_create_order_success(database: Database) -> None:
    placed = await create(database)

    order = await database.ask(storage.orders.get, str(placed.order_id))
    told = await event_rows.content(database, "order.created")
    assert placed.created
    assert (order.order_id, order.status) == (placed.order_id, "created")
    assert (told["customer"]["ref"], told["total"]) == ("user_123", "100.50")


async def test_get_order_status_success(database: Database) -> None:
    placed = await create(database)

    order = await database.ask(storage.orders.get, str(placed.order_id))

    assert (order.order_id, order.status) == (placed.order_id, "created")
    assert order.created_at == placed.created_at


async def test_get_order_status_not_found(database: Database) -> None:
    with pytest.raises(NotFound):
        await database.ask(storage.orders.get, str(uuid4()))


async def test_update_order_status_from_event(database: Database, settings: Settings) -> None:
    """What the processor said of an order, SUCCESS, is the order's status, completed."""
    placed = await create(database)

    await scenario.go_on(database, settings.model_copy(update={"processor": "always"}))

    told = await event_rows.content(database, "order.processed")
    order = await database.ask(storage.orders.get, str(placed.order_id))
    assert told["processing"]["status"] == "SUCCESS"
    assert order.status == "completed"

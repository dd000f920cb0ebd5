"""A state of the database in which every statement that locks rows finds some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

from orderbus import storage
from orderbus.domain.carts import OpenCart
from orderbus.domain.orders import OrderId
from orderbus.storage.database import Database
from orderbus.storage.deliveries import Claimed
from orderbus.storage.inbox import Returned
from tests.support import (
    delivery_rows,
    endpoint_rows,
    outbox_rows,
    reservation_rows,
    scenario,
    stock_rows,
)


@dataclass(frozen=True)
class World:
    """One row at least of everything: a delivery that is claimed, one that is dead, and so on."""

    endpoint: UUID
    order: OrderId
    claimed: Claimed
    waiting: int
    dead: int
    events: Sequence[Returned]
    token: UUID
    cart: UUID
    #: Ids of products, by sku.
    products: Mapping[str, int]


async def make(database: Database) -> World:
    endpoint = await scenario.add_endpoint(database)
    await scenario.add_endpoint(database, "https://other.example/", ordering="none")
    orders = [await scenario.place(database) for _ in range(4)]
    due = await scenario.come_back(database, *await scenario.events(database))
    dead, waiting, _, last = await delivery_rows.ids(database, to=endpoint)
    claimed = await scenario.claim(database, last, lease=timedelta(hours=1))
    assert claimed is not None
    assert len(due) == 8
    for order in orders * 2:
        await scenario.append(database, order)
    events = sorted((await scenario.events(database))[4:], key=lambda event: event.event_id)
    token = uuid4()
    products = {sku: await stock_rows.add(database, 9, sku=sku) for sku in ("a", "b", "c")}
    cart = await _cart_with(database, [products["b"], products["c"]])
    await reservation_rows.let_time_pass(database)
    await outbox_rows.lease(database, [event.event_id for event in events[3:]], token)
    await outbox_rows.park(database, events[0].event_id)
    await outbox_rows.publish_yesterday(database, [event.event_id for event in events[1:3]])
    await delivery_rows.give_up(database, only=dead)
    return World(
        endpoint, orders[0].order_id, claimed, waiting, dead, events, token, cart, products
    )


async def _cart_with(database: Database, products: Sequence[int]) -> UUID:
    """Open a cart that holds one of each product."""
    async with database.transaction() as connection:
        cart = await storage.carts.add(connection, OpenCart(total_amount=Decimal(1)))
        wanted = [storage.reservations.Wanted(product, 1) for product in products]
        await storage.reservations.hold(connection, cart, wanted, for_=timedelta(hours=1))
        return cart


async def again(database: Database, world: World) -> World:
    """Bring one more event back to an endpoint that was never disabled or removed."""
    await endpoint_rows.remove_all(database)
    async with database.connection() as connection:
        await storage.owed.skip(connection, at_most=1000)
    endpoint = await scenario.add_endpoint(database)
    for _ in range(3):
        await scenario.place(database)
    events = (await scenario.events(database))[-3:]
    waiting, dead, last = sorted(await scenario.come_back(database, *events))
    claimed = await scenario.claim(database, last)
    assert claimed is not None
    await delivery_rows.give_up(database, only=dead)
    await scenario.place(database)
    events = (await scenario.events(database))[-1:]
    return replace(
        world, endpoint=endpoint, events=events, waiting=waiting, dead=dead, claimed=claimed
    )

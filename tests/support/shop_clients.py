"""Clients of a shop that act at once, on the real database, as a model of its stock does."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import singledispatchmethod
from uuid import UUID, uuid4

from orderbus import services, storage
from orderbus.domain.carts import OpenCart, PutItem
from orderbus.domain.orders import Item, OrderId
from orderbus.domain.shop_orders import ShopLine
from orderbus.domain.states import Action, Status
from orderbus.errors import OrderbusError, Unavailable
from orderbus.services.order_moves import Asked
from orderbus.services.orders import Accepting
from orderbus.services.shop_changes import ToChange
from orderbus.services.shop_orders import ToPlace
from orderbus.storage.database import Connection, Database
from orderbus.storage.stock_bookings import Line
from tests.support import reservation_rows, samples, stock_rows
from tests.support.stock_model import (
    Book,
    Buy,
    Cancel,
    Command,
    Counters,
    Fail,
    Model,
    Open,
    Place,
    Put,
    Send,
    SetAside,
    Ship,
    TakeAgain,
    Units,
    ends,
)

_LONG = timedelta(days=1)
_ASKED = Asked(actor="test", reason="test")


class Shop:
    """Some products of which few are there, and the model that each has to agree with."""

    def __init__(self, database: Database, products: Mapping[str, int]) -> None:
        """Sell these products, each with its number by its sku."""
        self._database = database
        self._accepting = Accepting(database, allocates=True)
        self._skus, self._products = list(products), list(products.values())
        self.products = products
        self.carts: dict[int, UUID] = {}
        self.orders: dict[int, OrderId] = {}
        self.model = Model([Counters() for _ in products], [0 for _ in products])

    @classmethod
    async def opened(cls, database: Database, products: int) -> Shop:
        """Open one with new products, of which there are none yet."""
        skus = [f"sku-{uuid4()}" for _ in range(products)]
        return cls(database, {sku: await stock_rows.add(database, 0, sku=sku) for sku in skus})

    async def all_at_once(self, commands: Sequence[Command]) -> None:
        """Carry commands out at once; what came of them has to be what the model says."""
        done = await asyncio.gather(*map(self._is_done, commands))
        seen = await self.counters()
        could_be = list(ends(self.model, list(zip(commands, done, strict=True))))
        assert could_be, f"no order of these comes to it: {commands}, {done}, {self.model}"
        agreeing = [model for model in could_be if model.counters == seen]
        assert agreeing, f"{seen} is none of {[model.counters for model in could_be]}"
        for model in agreeing:
            if await self._carts_agree(model):
                self.model = model
                return
        raise AssertionError(f"the carts hold something else: {agreeing}")

    async def check_out(self, cart: int) -> bool:
        """Close a cart; false if it was closed before."""
        uuid = self.carts[cart]
        return await self._database.ask(storage.carts.check_out, uuid, traceparent=None)

    async def become_order(self, cart: int) -> OrderId:
        """Have a cart that was closed become its order, as the consumer does."""
        uuid = self.carts[cart]
        closed = await self._database.ask(storage.carts.get, uuid)
        content = {
            "order_id": str(uuid),
            "customer": {"name": "", "email": ""},
            "total": str(closed.total_amount),
            "items": [item.model_dump(mode="json", exclude_none=True) for item in closed.items],
        }
        event = samples.event(type="cart.checked_out", order_id=uuid, order=content)
        async with self._database.transaction() as connection:
            await services.carts.create_order(connection, event)
        return (await self._database.ask(storage.orders.get, str(uuid))).order_id

    async def sell(self, name: int, wanted: Units) -> None:
        """Have an order of the shop placed, which is completed at once."""
        order = ToPlace(
            customer=uuid4(),
            lines=await self._lines(wanted),
            total=Decimal(5),
            takes_stock=True,
            trusts_prices=True,
            actor="test",
            traceparent=None,
        )
        async with self._database.transaction() as connection:
            placed = await services.shop_orders.place(connection, order)
        self.orders[name] = placed.order_id

    async def sell_another(self, name: int, wanted: Units) -> None:
        """Have such an order changed, product by product in the order of its lines."""
        change = ToChange(
            lines=await self._lines(wanted), total=Decimal(7), status=None, trusts_prices=True
        )
        number = await self._number(name)
        async with self._database.transaction() as connection:
            await services.shop_changes.change(connection, number, _ASKED, change)

    async def remove(self, name: int) -> None:
        """Have such an order removed."""
        number = await self._number(name)
        async with self._database.transaction() as connection:
            await services.shop_changes.remove(connection, number, _ASKED)

    async def _number(self, name: int) -> int:
        return (await self._database.ask(storage.orders.get, str(self.orders[name]))).order_pk

    async def _lines(self, wanted: Units) -> list[ShopLine]:
        lines = []
        for product, units in wanted.items():
            shown = await self._database.ask(storage.products.show, self._products[product])
            lines.append(ShopLine(shown.uuid, units, Decimal(5)))
        return lines

    async def let_time_pass(self) -> None:
        """Let every open cart have held what it holds too long, and the dispatcher come by."""
        await reservation_rows.let_time_pass(self._database)
        await services.carts.let_lapse(self._database)

    async def let_lapse(self) -> None:
        """Do that, and compare."""
        await self.let_time_pass()
        self.model.lapse()
        assert self.model.counters == await self.counters()

    async def counters(self) -> list[Counters]:
        """Read what the database has of each product."""
        levels = [await stock_rows.level(self._database, product) for product in self._products]
        return [
            Counters(each.on_hand, each.reserved, each.allocated, each.shipped) for each in levels
        ]

    async def _carts_agree(self, model: Model) -> bool:
        for name, cart in model.carts.items():
            if cart.is_open:
                held = await reservation_rows.held(self._database, self.carts[name])
                if held != sum(cart.holds(product) for product in cart.wanted):
                    return False
        return True

    async def _is_done(self, command: Command) -> bool:
        await asyncio.sleep(random.random() / 1000)  # noqa: S311 - who is first differs
        try:
            await self.do(command)
        except Unavailable:
            raise
        except OrderbusError:
            return False
        return True

    def _items(self, wanted: Units) -> tuple[Item, ...]:
        return tuple(
            Item(sku=self._skus[product], name="Tea", quantity=units, unit_price=Decimal(5))
            for product, units in wanted.items()
        )

    @singledispatchmethod
    async def do(self, command: object) -> None:
        """Carry a command out. Raises ``OrderbusError`` where it is refused."""
        raise NotImplementedError(command)

    @do.register
    async def _(self, book: Book) -> None:
        line = Line(sku=self._skus[book.product], delta=book.delta, reason="test")
        async with self._database.transaction() as connection:
            (booked,) = await services.stock.book(
                connection, [line], each_alone=False, actor="test"
            )
        if not booked.ok:
            raise OrderbusError(str(booked.error))

    @do.register
    async def _(self, aside: SetAside) -> None:
        async with self._database.transaction() as connection:
            await services.stock.set_aside(
                connection, self._products[aside.product], aside.quantity, actor="test"
            )

    @do.register
    async def _(self, sent: Send) -> None:
        async with self._database.transaction() as connection:
            await services.stock.send(
                connection, self._products[sent.product], sent.quantity, actor="test"
            )

    @do.register
    async def _(self, opened: Open) -> None:
        cart = OpenCart(items=self._items(opened.wanted), total_amount=None)
        async with self._database.transaction() as connection:
            uuid = await services.carts.open_cart(connection, cart, hold_for=_LONG)
        self.carts[opened.name] = uuid

    @do.register
    async def _(self, put: Put) -> None:
        item = PutItem(sku=self._skus[put.product], quantity=put.quantity)
        async with self._database.transaction() as connection:
            await services.carts.put_item(connection, self.carts[put.cart], item, hold_for=_LONG)

    @do.register
    async def _(self, bought: Buy) -> None:
        if not await self.check_out(bought.cart):
            raise OrderbusError("closed before")
        self.orders[bought.name] = await self.become_order(bought.cart)

    @do.register
    async def _(self, placed: Place) -> None:
        order = replace(samples.order(), items=self._items(placed.wanted))
        accepted = await self._accepting.accept(order, traceparent=None)
        self.orders[placed.name] = accepted.order_id

    @do.register
    async def _(self, cancelled: Cancel) -> None:
        async with self._database.transaction() as connection:
            order = str(self.orders[cancelled.order])
            await services.order_moves.cancel(connection, order, _ASKED)

    @do.register
    async def _(self, failed: Fail) -> None:
        async with self._database.transaction() as connection:
            await self._fail(connection, self.orders[failed.order])

    @do.register
    async def _(self, shipped: Ship) -> None:
        async with self._database.transaction() as connection:
            order = str(self.orders[shipped.order])
            await services.order_moves.ship(connection, order, _ASKED)

    @do.register
    async def _(self, again: TakeAgain) -> None:
        async with self._database.transaction() as connection:
            order = await storage.orders.lock(connection, self.orders[again.order])
            if order.status is not Status.FAILED:
                raise OrderbusError("it did not fail")
            await services.allocating.take_again(connection, order, actor="test")

    async def _fail(self, connection: Connection, order_id: OrderId) -> None:
        order = await storage.orders.lock(connection, order_id)
        failed = services.orders.moving(order, Action.FAIL, "test", reason="test")
        await services.orders.move(connection, [failed])

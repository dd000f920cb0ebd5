"""What stock has to be after commands of a shop: a model of it without a database.

Commands that are carried out at once have to come to what they would come to one after the other,
in one order or another (they are linearizable).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import singledispatchmethod

#: Units of products, by a product's number in the model.
Units = Mapping[int, int]


@dataclass(frozen=True)
class Book:
    product: int
    delta: int


@dataclass(frozen=True)
class SetAside:
    product: int
    quantity: int


@dataclass(frozen=True)
class Send:
    product: int
    quantity: int


@dataclass(frozen=True)
class Open:
    """Opens cart ``name`` with some of each product."""

    name: int
    wanted: Units


@dataclass(frozen=True)
class Put:
    cart: int
    product: int
    quantity: int


@dataclass(frozen=True)
class Buy:
    """Checks a cart out; it becomes order ``name``."""

    name: int
    cart: int


@dataclass(frozen=True)
class Place:
    """Places order ``name``, which is allocated its stock."""

    name: int
    wanted: Units


@dataclass(frozen=True)
class Cancel:
    order: int


@dataclass(frozen=True)
class Fail:
    order: int


@dataclass(frozen=True)
class Ship:
    order: int


@dataclass(frozen=True)
class TakeAgain:
    """Has an order that failed have its stock again, for another try."""

    order: int


Command = Book | SetAside | Send | Open | Put | Buy | Place | Cancel | Fail | Ship | TakeAgain


@dataclass
class Counters:
    on_hand: int = 0
    reserved: int = 0
    allocated: int = 0
    shipped: int = 0

    @property
    def available(self) -> int:
        return self.on_hand - self.reserved - self.allocated


@dataclass
class Cart:
    """What is in a cart, and of what of it the cart holds the stock."""

    wanted: dict[int, int]
    held: set[int]
    is_open: bool = True

    def holds(self, product: int) -> int:
        return self.wanted[product] if product in self.held else 0


@dataclass
class Order:
    """What is allocated to an order and has not left, and what it gave back when it failed."""

    left: dict[int, int]
    state: str = "created"
    back: dict[int, int] = field(default_factory=dict)


@dataclass
class Model:
    counters: list[Counters]
    aside: list[int]
    carts: dict[int, Cart] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)

    def copy(self) -> Model:
        """Copy it; no command changes a cart or an order, each puts another in its place."""
        counters = [replace(each) for each in self.counters]
        return Model(counters, list(self.aside), dict(self.carts), dict(self.orders))

    @singledispatchmethod
    def do(self, command: object) -> bool:
        """Carry a command out; false, and then it changed nothing, where it is refused."""
        raise NotImplementedError(command)

    @do.register
    def _(self, book: Book) -> bool:
        stock = self.counters[book.product]
        after = stock.on_hand + book.delta
        if after < 0 or (book.delta < 0 and after < stock.reserved + stock.allocated):
            return False
        stock.on_hand = after
        return True

    @do.register
    def _(self, aside: SetAside) -> bool:
        stock = self.counters[aside.product]
        if aside.quantity > stock.available:
            return False
        stock.reserved += aside.quantity
        self.aside[aside.product] += aside.quantity
        return True

    @do.register
    def _(self, sent: Send) -> bool:
        stock = self.counters[sent.product]
        aside = min(sent.quantity, self.aside[sent.product])
        if sent.quantity - aside > stock.available:
            return False
        stock.on_hand -= sent.quantity
        stock.reserved -= aside
        stock.shipped += sent.quantity
        self.aside[sent.product] -= aside
        return True

    @do.register
    def _(self, opened: Open) -> bool:
        if not self._has(opened.wanted):
            return False
        for product, quantity in opened.wanted.items():
            self.counters[product].reserved += quantity
        self.carts[opened.name] = Cart(dict(opened.wanted), set(opened.wanted))
        return True

    @do.register
    def _(self, put: Put) -> bool:
        cart = self.carts[put.cart]
        more = put.quantity - (cart.holds(put.product) if put.product in cart.wanted else 0)
        if not cart.is_open or more > max(0, self.counters[put.product].available):
            return False
        self.counters[put.product].reserved += more
        cart = self.carts[put.cart] = deepcopy(cart)
        cart.wanted.pop(put.product, None)
        cart.held.discard(put.product)
        if put.quantity:
            cart.wanted[put.product] = put.quantity
            cart.held.add(put.product)
        return True

    @do.register
    def _(self, bought: Buy) -> bool:
        cart = self.carts[bought.cart]
        lapsed = {product: cart.wanted[product] for product in cart.wanted.keys() - cart.held}
        if not cart.is_open or not self._has(lapsed):
            return False
        for product, quantity in cart.wanted.items():
            self.counters[product].reserved -= cart.holds(product)
            self.counters[product].allocated += quantity
        self.carts[bought.cart] = replace(cart, is_open=False)
        self.orders[bought.name] = Order(dict(cart.wanted))
        return True

    @do.register
    def _(self, placed: Place) -> bool:
        if not self._has(placed.wanted):
            return False
        for product, quantity in placed.wanted.items():
            self.counters[product].allocated += quantity
        self.orders[placed.name] = Order(dict(placed.wanted))
        return True

    @do.register
    def _(self, cancelled: Cancel) -> bool:
        may = self.orders[cancelled.order].state in {"created", "failed"}
        return may and self._end(cancelled.order, "cancelled")

    @do.register
    def _(self, failed: Fail) -> bool:
        state = self.orders[failed.order].state
        to = {"created": "failed", "shipped": "over"}.get(state)
        return to is not None and self._end(failed.order, to)

    @do.register
    def _(self, shipped: Ship) -> bool:
        order = self.orders[shipped.order]
        if order.state != "created":
            return False
        for product, quantity in order.left.items():
            stock = self.counters[product]
            stock.on_hand -= quantity
            stock.allocated -= quantity
            stock.shipped += quantity
        self.orders[shipped.order] = Order({}, "shipped")
        return True

    @do.register
    def _(self, again: TakeAgain) -> bool:
        order = self.orders[again.order]
        if order.state not in {"failed", "over"} or not self._has(order.back):
            return False
        for product, quantity in order.back.items():
            self.counters[product].allocated += quantity
        self.orders[again.order] = Order({**order.left, **order.back}, order.state)
        return True

    def lapse(self) -> None:
        """Let every open cart have held what it holds too long."""
        for name, cart in self.carts.items():
            if cart.is_open:
                for product in cart.held:
                    self.counters[product].reserved -= cart.wanted[product]
                self.carts[name] = replace(cart, held=set())

    def _has(self, wanted: Units) -> bool:
        return all(units <= self.counters[product].available for product, units in wanted.items())

    def _end(self, order: int, state: str) -> bool:
        for product, quantity in self.orders[order].left.items():
            self.counters[product].allocated -= quantity
        back = self.orders[order].left if state == "failed" else {}
        self.orders[order] = Order({}, state, back)
        return True


def ends(model: Model, done: Sequence[tuple[Command, bool]]) -> Iterator[Model]:
    """Find what could be after commands were carried out at once, or refused, as they were."""
    if not done:
        yield model
    for index, (command, is_done) in enumerate(done):
        after = model.copy()
        if after.do(command) is is_done:
            yield from ends(after, [*done[:index], *done[index + 1 :]])

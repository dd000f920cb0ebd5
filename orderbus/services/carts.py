"""Carts hold what is in them for a while, and become orders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from orderbus import storage, telemetry
from orderbus.domain import carts
from orderbus.domain.carts import OpenCart, PutItem
from orderbus.domain.events import Event
from orderbus.domain.orders import Customer, Item, PlaceOrder
from orderbus.errors import Conflict, OutOfStock, ShortLine
from orderbus.services import orders
from orderbus.storage.carts import Contents
from orderbus.storage.database import Connection, Database
from orderbus.storage.reservations import Wanted

#: Reservations that lapse in one statement.
_AT_MOST: Final = 500


@dataclass(frozen=True, slots=True)
class Filled:
    """A cart, and until when it holds what, by sku; what it does not hold is left out."""

    cart: Contents
    held_until: Mapping[str, datetime]


async def show(connection: Connection, cart_uuid: UUID, *, customer: UUID | None = None) -> Filled:
    """Show a cart, and what it holds while it is open.

    To a ``customer`` there are none but their own. Raises ``NotFound``.
    """
    cart = await storage.carts.get(connection, cart_uuid, customer=customer)
    held = [] if cart.closed else await storage.reservations.list_of(connection, cart_uuid)
    return Filled(cart, {each.sku: each.expires_at for each in held if each.is_held})


async def open_cart(
    connection: Connection, cart: OpenCart, *, customer: UUID | None = None, hold_for: timedelta
) -> UUID:
    """Open a cart, which holds what the catalogue knows of its items, all of it or none.

    It may be a customer's. Raises ``OutOfStock``, and then there is no cart.
    """
    uuid = await storage.carts.add(connection, cart, customer=customer)
    if cart.items:
        wanted: dict[str, int] = {}
        for item in cart.items:
            wanted[item.sku] = wanted.get(item.sku, 0) + item.quantity
        known = await storage.products.ids(connection, list(wanted))
        await _hold(connection, uuid, known, wanted, hold_for)
    return uuid


async def put_item(
    connection: Connection,
    cart_uuid: UUID,
    item: PutItem,
    *,
    customer: UUID | None = None,
    hold_for: timedelta,
) -> Filled:
    """Let an open cart have so many of a product, 0 for none, at the price it has now.

    It holds them, and what else it holds, for so long from now on. Raises ``NotFound`` for the cart
    or the product, ``Conflict`` where it is closed, ``Invalid`` where it would be too large,
    ``OutOfStock``.
    """
    cart = await storage.carts.get(connection, cart_uuid, customer=customer, lock=True)
    if cart.closed:
        raise Conflict("The cart is closed: it has become an order")
    if carts.sum_of(cart.items) != cart.total_amount:
        raise Conflict("The cart was opened with a total of its own: it takes no items")
    line = None
    if item.quantity:
        product = await storage.products.get_sold(connection, item.sku)
        known = {item.sku: product.id}
        line = Item(
            sku=item.sku, name=product.name, quantity=item.quantity, unit_price=product.price
        )
    else:
        known = await storage.products.ids(connection, [item.sku], only_sold=False)
    items = carts.with_line(cart.items, item.sku, line)
    await _hold(connection, cart_uuid, known, {item.sku: item.quantity}, hold_for)
    await storage.carts.set_items(connection, cart_uuid, items, total=carts.sum_of(items))
    return await show(connection, cart_uuid)


async def _hold(
    connection: Connection,
    cart_uuid: UUID,
    known: Mapping[str, int],
    wanted: Mapping[str, int],
    hold_for: timedelta,
) -> None:
    if not known:
        return
    lines = [Wanted(product, wanted[sku]) for sku, product in known.items()]
    short = await storage.reservations.hold(connection, cart_uuid, lines, for_=hold_for)
    if short:
        skus = {product: sku for sku, product in known.items()}
        named = [(skus[each.product_id], each.available or 0) for each in short]
        raise OutOfStock(
            "There is too little in stock",
            short=[ShortLine(sku, wanted[sku], available) for sku, available in named],
        )


async def let_lapse(database: Database) -> None:
    """Give back what open carts held too long, step by step. Raises ``Unavailable``."""
    lapsed, step = 0, _AT_MOST
    while step == _AT_MOST:
        step = await database.ask(storage.reservations.lapse, at_most=_AT_MOST)
        lapsed += step
    if lapsed:
        telemetry.LAPSED.inc(lapsed)
        telemetry.log.info("reservations_lapsed", count=lapsed)


async def create_order(connection: Connection, event: Event) -> None:
    """Place the order that a cart which was checked out becomes: one for each cart, ever.

    What the cart holds is allocated to the order in the same transaction.
    """
    order = PlaceOrder(
        source="cart",
        external_ref=event.order["order_id"],
        total=Decimal(event.order["total"]),
        items=tuple(Item.model_validate(item) for item in event.order["items"]),
        customer=_customer_of(event),
        cart_uuid=event.order_id,
    )
    placed = await orders.accept(connection, order, traceparent=event.traceparent)
    if placed.created and order.items:
        short = await storage.reservations.become_order(
            connection, event.order_id, order_id=placed.order_id, actor="create_order"
        )
        if short:
            raise OutOfStock("The cart was closed without holding its items", short=short)


def _customer_of(event: Event) -> Customer:
    """Say whose cart it was, if that is somebody who signs in; a version before did not know."""
    named = event.order.get("customer", {}).get("id")
    return Customer(id=None if named is None else UUID(named))

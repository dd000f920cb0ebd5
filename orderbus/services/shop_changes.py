"""Orders of the shop are changed, with the stock they have, and removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final
from uuid import UUID

from orderbus import storage, telemetry
from orderbus.domain import states
from orderbus.domain.orders import ProductItem
from orderbus.domain.shop_orders import WORDS, ShopLine, Word
from orderbus.domain.states import Action, Cause, Fulfillment, Status
from orderbus.domain.stock import MOST_UNITS
from orderbus.errors import Fault, Invalid, OutOfStock, ShortLine
from orderbus.services import order_moves, orders, shop_orders
from orderbus.services.order_moves import CHANGED, Asked
from orderbus.services.shop_orders import Known
from orderbus.storage.database import Connection
from orderbus.storage.events import Happened
from orderbus.storage.orders import Order, OrderItem
from orderbus.storage.stock import Movement

REMOVED: Final = "order.removed"
_CAN_CHANGE: Final = {Status.CREATED, Status.IN_PROGRESS, Status.COMPLETED}


@dataclass(frozen=True, slots=True, kw_only=True)
class ToChange:
    """What of an order is to be another way; what is None stays.

    ``lines`` are its first ones, in their order: it takes no more than it has.
    """

    lines: Sequence[ShopLine] | None
    total: Decimal | None
    status: Word | None
    trusts_prices: bool


async def change(connection: Connection, order_pk: int, asked: Asked, wanted: ToChange) -> Order:
    """Change what was ordered, and for how much, while nothing of it has left.

    An order that has its stock has as much as it needs then, or stays as it is. What changes
    nothing is no event. Raises ``NotFound``, ``Changed``, ``Invalid``, ``OutOfStock``.
    """
    order = await _locked(connection, order_pk, asked)
    lines = _changed(order, wanted)
    total = order.total if wanted.total is None else wanted.total
    if not lines and total == order.total:
        return order
    _see_that_it_can_be(order)
    owed = await storage.stock.owed_to(connection, order_pk) if lines else {}
    every = await _products(connection, order, lines)
    had = {item.product for item in order.items}
    known = {uuid: each for uuid, each in every.items() if each.active or str(uuid) in had}
    if owed:
        shop_orders.see_that_all_are_known(lines.values(), known)
    new = {
        number: shop_orders.item_of(line, known.get(line.product)) for number, line in lines.items()
    }
    items = [new.get(number, item) for number, item in enumerate(order.items, start=1)]
    if not wanted.trusts_prices:
        due = sum((item.quantity * item.unit_price for item in items), Decimal(0))
        by_place = {number - 1: line for number, line in lines.items()}
        shop_orders.see_to_prices(by_place, known, total=total, due=due)
    if owed:
        await _allocate(connection, order, _needed(items, every), owed, asked.actor)
    if lines:
        await storage.shop_changes.set_lines(connection, order_pk, new)
    await _record(connection, order, asked, lines, known, total)
    return await storage.shop_orders.get(connection, order_pk)


async def remove(connection: Connection, order_pk: int, asked: Asked) -> None:
    """Show an order in the shop no more, and cancel it where nothing of it has left.

    Its history stays, and tells who removed it. Raises ``NotFound``, ``Changed``.
    """
    order = await _locked(connection, order_pk, asked)
    if Action.CANCEL in states.allowed_actions(order.state):
        cause = Cause.STAFF if asked.customer is None else Cause.CUSTOMER
        by = replace(asked, customer=None, seen=None)
        order = await order_moves.cancel(connection, str(order.order_id), by, cause=cause)
    removed = _happened(order, REMOVED, asked)
    await orders.move(connection, [replace(removed, sets={"removed_at": True})])


async def _locked(connection: Connection, order_pk: int, asked: Asked) -> Order:
    """Lock an order as it was seen, if it is there for who asks, and not removed meanwhile."""
    found = await storage.shop_orders.get(connection, order_pk, customer=asked.customer)
    await orders.lock_as_seen(connection, str(found.order_id), asked.seen)
    return await storage.shop_orders.get(connection, order_pk, customer=asked.customer)


def _changed(order: Order, wanted: ToChange) -> dict[int, ShopLine]:
    """Say which lines are to be another way, by their number; raises ``Invalid``."""
    word = WORDS[order.status]
    if wanted.status not in {None, "new", word}:
        said = f"An order that is {word} becomes something else by what is done to it."
        raise Invalid(f"The order is not valid: status {said}", [Fault("/status", "status", said)])
    lines = wanted.lines or ()
    if len(lines) > len(order.items):
        said = f"An order of {len(order.items)} items takes no more."
        message = f"The order is not valid: order_items {said}"
        raise Invalid(message, [Fault("/order_items", "too_long", said)])
    return {
        item.line: line
        for item, line in zip(order.items, lines, strict=False)
        if (str(line.product), line.quantity, line.price)
        != (item.product, item.quantity, item.unit_price)
    }


def _see_that_it_can_be(order: Order) -> None:
    """Refuse to change what has left, or has come to its end; or is no order of the shop."""
    said = ""
    if order.source != "catalog":
        said = "It did not come by this way, and is not changed by it."
    elif order.status not in _CAN_CHANGE:
        said = f"An order that is {WORDS[order.status]} is not changed any more."
    elif order.fulfillment_status is not Fulfillment.PENDING:
        said = f"An order that is {order.fulfillment_status} is not changed any more."
    if said:
        raise Invalid(said, [Fault("/non_field_errors", "order", said)])


async def _products(connection: Connection, order: Order, lines: Mapping[int, ShopLine]) -> Known:
    """Find what the order is of and is to be of, by uuid, though it may be sold no more."""
    uuids = {UUID(item.product) for item in order.items if item.product is not None}
    uuids |= {line.product for line in lines.values()}
    found = await storage.products.list_of(connection, uuids, only_sold=False)
    return {product.uuid: product for product in found}


def _needed(items: Sequence[ProductItem | OrderItem], every: Known) -> dict[int, tuple[str, int]]:
    """Say how much the lines come to of each product, and its sku."""
    needed: dict[int, tuple[str, int]] = {}
    for item in items:
        product = every.get(UUID(item.product)) if item.product is not None else None
        if product is not None:
            _, before = needed.get(product.id, (product.sku, 0))
            needed[product.id] = (product.sku, before + item.quantity)
    return needed


async def _allocate(
    connection: Connection,
    order: Order,
    needed: Mapping[int, tuple[str, int]],
    owed: Mapping[int, int],
    actor: str,
) -> None:
    """Let an order have the stock that its lines need, and give back what they do not."""
    nothing = ("", 0)
    more = {each: needed.get(each, nothing)[1] - owed.get(each, 0) for each in {*needed, *owed}}
    if too_many := [each for each in needed.values() if each[1] > MOST_UNITS]:
        raise _too_little([ShortLine(*each, 0) for each in too_many])
    movements = [
        Movement(
            product, "allocated" if units > 0 else "returned", abs(units), order_pk=order.order_pk
        )
        for product, units in more.items()
        if units
    ]
    short = await storage.stock.move(connection, movements, actor=actor) if movements else []
    if short:
        named = [
            ShortLine(*needed[each.product_id], owed.get(each.product_id, 0) + max(left, 0))
            for each in short
            for left in [each.available or 0]
        ]
        raise _too_little(named)


def _too_little(short: Sequence[ShortLine]) -> OutOfStock:
    message = shop_orders.sentence("Requested quantity is not available", short)
    return OutOfStock(message, short=short)


async def _record(
    connection: Connection,
    order: Order,
    asked: Asked,
    lines: Mapping[int, ShopLine],
    known: Known,
    total: Decimal,
) -> None:
    """Write down what was changed: the event has the order as it is now."""
    now = await storage.shop_orders.get(connection, order.order_pk)
    what = [*(["items"] if lines else []), *(["total"] if total != order.total else [])]
    changed = _happened(replace(now, total=total), CHANGED, asked)
    details = {"changed": what, **shop_orders.differences(lines.values(), known)}
    sets = {"total": str(total)} if total != order.total else {}
    await orders.move(connection, [replace(changed, details=details, sets=sets)])


def _happened(order: Order, type_: str, asked: Asked) -> Happened:
    return Happened(
        order.order_pk,
        type_,
        asked.actor,
        content=orders.content_of(order),
        traceparent=asked.traceparent,
        request_id=telemetry.request_id(),
    )

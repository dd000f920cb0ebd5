"""Orders take what products they name out of stock, which follows what becomes of the orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import attrgetter

from orderbus import storage, telemetry
from orderbus.domain.events import Event
from orderbus.domain.processing import Outcome
from orderbus.domain.states import Cause
from orderbus.errors import Conflict, OutOfStock, ShortLine
from orderbus.storage.database import Connection
from orderbus.storage.events import Happened
from orderbus.storage.orders import New, Order
from orderbus.storage.stock import Concerned, Left, Movement

#: When an order was stored, or which lines are short; None: it is there already.
Answer = datetime | Sequence[ShortLine] | None
_ENDED = {"cancelled", "failed"}
_SHIPPED = {"order.shipped", "order.partially_shipped"}


async def add(connection: Connection, new: Sequence[New]) -> Sequence[Answer]:
    """Store orders with their stock, as ``storage.allocating.add``; those without any as ever."""
    skus = {item.sku for one in new for item in one.order.items}
    known = await storage.products.ids(connection, list(skus))
    if not known:
        return await storage.orders.add(connection, new)
    return await storage.allocating.add(connection, new, known)


async def add_alone(connection: Connection, new: New) -> Answer:
    """Store an order that did not fit behind others, unless it is there already."""
    taken = await storage.orders.find_taken(
        connection,
        source=new.order.source,
        external_ref=new.order.external_ref,
        idempotency_key=new.order.idempotency_key,
    )
    if taken:
        return None
    (answer,) = await add(connection, [new])
    return answer


async def take_again(connection: Connection, order: Order, *, actor: str) -> None:
    """Let an order that is tried again, whose row is locked, have what it gave back when it failed.

    Raises ``OutOfStock``, which names every line there is too little for; then it has nothing.
    """
    asked = Concerned(order.order_pk, actor, telemetry.request_id())
    short = await storage.allocating_later.take_again(connection, [asked])
    if lines := short.get(order.order_pk):
        raise OutOfStock(f"It cannot be tried again: {too_little(lines)}", short=lines)


def too_little(short: Sequence[ShortLine]) -> str:
    """Say of which products there is too little."""
    lines = (f"{line.wanted} of {line.sku} are wanted and {line.available} left" for line in short)
    return f"there is too little in stock: {', '.join(lines)}"


async def with_stock(
    connection: Connection, ending: Sequence[tuple[Order, Event, Outcome]], *, actor: str
) -> list[Outcome]:
    """Let orders whose outcome takes stock have it, all they name or none; what came of it."""
    wanting = [
        Concerned(order.order_pk, actor, event.request_id)
        for order, event, outcome in ending
        if outcome.takes_stock and not outcome.refused
    ]
    short = await _take_named(connection, wanting) if wanting else {}
    return [
        _refused(short[order.order_pk]) if order.order_pk in short else outcome
        for order, _, outcome in ending
    ]


async def _take_named(
    connection: Connection, wanting: Sequence[Concerned]
) -> Mapping[int, Sequence[ShortLine]]:
    """Let orders take what they name; those that did not fit behind others ask again, alone."""
    short = await storage.allocating_later.take_named(connection, wanting)
    if len(wanting) == 1:
        return short
    still: dict[int, Sequence[ShortLine]] = {}
    for one in sorted(wanting, key=attrgetter("order_pk")):
        if one.order_pk in short:
            still.update(await storage.allocating_later.take_named(connection, [one]))
    return still


def _refused(short: Sequence[ShortLine]) -> Outcome:
    said = too_little(short)
    return Outcome(reason=f"{said[0].upper()}{said[1:]}", cause=Cause.INVENTORY, short=short)


async def follow(connection: Connection, moves: Sequence[Happened]) -> None:
    """Let stock follow moves of orders: what ends gives back what it had, what is shipped leaves.

    Raises ``Conflict`` where less is on hand than leaves.
    """
    ended = [
        Concerned(each.order_pk, each.actor, each.request_id)
        for each in moves
        if each.status in _ENDED
    ]
    if ended:
        await storage.stock.give_back(connection, ended)
    for each in moves:
        if each.type in _SHIPPED:
            await _ship(connection, each)


async def _ship(connection: Connection, shipped: Happened) -> None:
    left = [
        Left(shipped.order_pk, int(line), quantity)
        for line, quantity in shipped.details.get("lines", {}).items()
    ]
    if shipped.type == "order.shipped":  # all that is left, whatever its products are called now
        owed = await storage.stock.owed_to(connection, shipped.order_pk)
        movements = [
            Movement(product, "shipped", units, order_pk=shipped.order_pk)
            for product, units in owed.items()
        ]
    else:
        movements = await storage.stock.leaving(connection, left)
    if movements and await storage.stock.move(connection, movements, actor=shipped.actor):
        raise Conflict("Less is on hand than leaves: count it, and ship it then")

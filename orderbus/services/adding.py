"""Orders are placed for what the catalogue says, with their stock; or as they are sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from orderbus import storage
from orderbus.domain.orders import OrderId, PlaceOrder
from orderbus.domain.priced_orders import AskedOrder
from orderbus.errors import OutOfStock
from orderbus.services import allocating, orders
from orderbus.services.orders import Placed
from orderbus.storage.database import Connection
from orderbus.storage.orders import New


async def accept(
    connection: Connection,
    asked: AskedOrder,
    *,
    traceparent: str | None,
    order_id: OrderId,
    actor: str | None,
    tries: Callable[[PlaceOrder], None],
) -> Placed:
    """Store an order as ``orders.accept`` does, where it names products with their stock.

    One statement where it names none and tells all prices. ``tries`` hears what is tried to be
    stored. Raises what ``AskedOrder.priced`` does, and ``OutOfStock``.
    """
    written = partial(orders.to_store, traceparent=traceparent, order_id=order_id, actor=actor)
    if (sent := asked.as_sent()) is not None:
        tries(sent)
        new = written(sent)
        if (created_at := await storage.allocating.add_unsold(connection, new)) != "sold":
            return await orders.settle(connection, new, created_at)
    sold = await storage.products.sold(connection, {item.sku for item in asked.items})
    order = asked.priced(sold)
    tries(order)
    return await _store(connection, written(order), {sku: each.id for sku, each in sold.items()})


async def _store(connection: Connection, new: New, known: dict[str, int]) -> Placed:
    if not known:
        (created_at,) = await storage.orders.add(connection, [new])
        return await orders.settle(connection, new, created_at)
    (answer,) = await storage.allocating.add(connection, [new], known)
    if isinstance(answer, Sequence):
        if not await orders.is_there(connection, new):
            said = allocating.too_little(answer)
            raise OutOfStock(f"{said[0].upper()}{said[1:]}", short=answer)
        answer = None
    return await orders.settle(connection, new, answer)

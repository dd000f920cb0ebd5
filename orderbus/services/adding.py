"""Orders are placed for what the catalogue says, with their stock; or as they are sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from orderbus import storage
from orderbus.domain.orders import OrderId, PlaceOrder
from orderbus.domain.priced_orders import AskedOrder
from orderbus.errors import Invalid, OtherContent, OutOfStock, PriceChanged
from orderbus.services import allocating, conflicts, orders
from orderbus.services.orders import Placed
from orderbus.storage.database import Connection
from orderbus.storage.orders import New, Order


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
    stored. An order that is there is answered, if it was asked for the same, whatever the catalogue
    says by now. Raises what ``AskedOrder.priced`` does, and ``OutOfStock``.
    """
    written = partial(orders.to_store, traceparent=traceparent, order_id=order_id, actor=actor)
    if (sent := asked.as_sent()) is not None:
        tries(sent)
        new = written(sent)
        if (created_at := await storage.allocating.add_unsold(connection, new)) != "sold":
            return await orders.settle(connection, new, created_at)
    sold = await storage.products.sold(connection, {item.sku for item in asked.items})
    try:
        order = asked.priced(sold)
        tries(order)
        known = {sku: each.id for sku, each in sold.items()}
        return await _store(connection, written(order), known)
    except (Invalid, OtherContent, PriceChanged):
        if (first := await _first(connection, asked)) is None:
            raise
        return first


async def _first(connection: Connection, asked: AskedOrder) -> Placed | None:
    """Find the order that is there, if any; raises ``OtherContent`` if that asked for another."""
    reference = {"source": "api", "external_ref": asked.order_id}
    taken = await storage.orders.find_taken(connection, **reference, idempotency_key=None)
    if not taken:
        return None
    (kept,) = taken
    if not _asks_for(asked, await storage.orders.get(connection, str(kept.order_id))):
        raise conflicts.refusal(kept.order_id, kept.external_ref)
    return Placed(kept.order_id, kept.external_ref, kept.created_at, created=False)


def _asks_for(asked: AskedOrder, order: Order) -> bool:
    """Say whether it asks for what an order is; prices are the catalogue's, not its own."""
    return (
        (asked.customer.name, asked.customer.email, asked.shipping_address)
        == (order.customer_name, order.customer_email, order.shipping_address)
        and asked.expected_total in {None, order.total}
        and [(item.sku, item.quantity) for item in asked.items]
        == [(item.sku, item.quantity) for item in order.items]
        and all(
            item.name in {None, there.name}
            for item, there in zip(asked.items, order.items, strict=True)
        )
    )


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

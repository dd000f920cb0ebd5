"""How does an order get in, once and for good?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from orderbus import storage, telemetry
from orderbus.domain.events import ORDER_CREATED
from orderbus.domain.orders import PlaceOrder
from orderbus.domain.states import Status
from orderbus.domain.text import brief
from orderbus.errors import Conflict, KeyReused, Unavailable
from orderbus.storage.database import Connection, Database
from orderbus.storage.orders import Kept


@dataclass(frozen=True, slots=True)
class Placed:
    """An order that is stored; ``created`` is false where it had been stored before."""

    order_id: UUID
    external_ref: str
    created: bool
    created_at: datetime


async def place_order(database: Database, order: PlaceOrder, *, traceparent: str | None) -> Placed:
    """Store an order with its first event and outbox pointer; when this returns, it is committed.

    One statement, one round trip; a second statement only where the order was there before.
    Raises ``Conflict`` where the reference stands for another content, ``KeyReused`` where the
    idempotency key does, ``Unavailable``.
    """
    async with database.connection() as connection:
        placed = await place_in(connection, order, traceparent=traceparent, actor=order.source)
    if placed.created:
        telemetry.ACCEPTED.inc()
    return placed


async def place_in(
    connection: Connection,
    order: PlaceOrder,
    *,
    traceparent: str | None,
    public_id: UUID | None = None,
    actor: str | None = None,
) -> Placed:
    """Place an order as part of the caller's transaction; raises as ``place_order`` does."""
    kept = await storage.orders.add(
        connection,
        order,
        type=ORDER_CREATED,
        content={**order.content(), "source": order.source, "status": Status.CREATED},
        details=_details(order),
        traceparent=traceparent,
        public_id=public_id,
        actor=actor,
    )
    if kept is not None:
        return Placed(kept.public_id, kept.external_ref, created=True, created_at=kept.created_at)
    taken = await storage.orders.find_taken(
        connection,
        source=order.source,
        external_ref=order.order_id,
        idempotency_key=order.idempotency_key,
    )
    return _same_again(order, taken)


def _details(order: PlaceOrder) -> dict[str, str]:
    """Note in the history where the total is not the sum of priced lines; it may well be right."""
    items_total = order.items_total()
    return {} if items_total in {order.total, 0} else {"items_total": f"{items_total:.2f}"}


def _same_again(order: PlaceOrder, taken: list[Kept]) -> Placed:
    content_hash = order.content_hash()
    for kept in taken:
        if kept.content_hash == content_hash:
            return Placed(
                kept.public_id, kept.external_ref, created=False, created_at=kept.created_at
            )
    for kept in taken:
        if kept.external_ref == order.order_id:
            message = f"Order {brief(order.order_id)} exists with another content"
            raise Conflict(message)
    if taken:
        message = "This idempotency key was used with another content"
        raise KeyReused(message)
    message = "The order could not be stored just now"
    raise Unavailable(message)

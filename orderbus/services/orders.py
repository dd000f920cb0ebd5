"""What can be asked about an order, and how does it get its next event?"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from orderbus import storage
from orderbus.domain.events import rfc3339
from orderbus.storage.database import Database


async def find(database: Database, id_or_ref: str) -> dict[str, Any]:
    """Show an order as JSON values, found by our uuid or the sender's reference.

    Raises ``NotFound``, ``Unavailable``.
    """
    async with database.connection() as connection:
        order = await storage.orders.get(connection, id_or_ref)
    return {
        "id": str(order["id"]),
        "order_id": order["order_id"],
        "source": order["source"],
        "customer": {"name": order["customer_name"], "email": order["customer_email"]},
        "items": order["items"],
        "shipping_address": order["shipping_address"],
        "total": str(order["total"]),
        "created_at": rfc3339(order["created_at"]),
        "sequence": order["event_seq"],
    }


async def journey(database: Database, id_or_ref: str) -> dict[str, Any]:
    """Tell an order's whole way: events, publications, deliveries, attempts.

    Raises ``NotFound``, ``Unavailable``.
    """
    async with database.connection() as connection:
        order = await storage.orders.get(connection, id_or_ref)
        return await storage.journey.get(connection, order["id"])


async def append_event(
    database: Database,
    public_id: UUID,
    *,
    type: str,  # noqa: A002 - the event's type
    actor: str,
    traceparent: str | None = None,
) -> int:
    """Tell everybody who listens that something happened to an order; returns its sequence.

    The event carries the order as it is now. History, event and outbox pointer commit together;
    sequences have no gap. Raises ``NotFound``, ``Unavailable``.
    """
    async with database.transaction() as connection:
        order = await storage.orders.get(connection, str(public_id))
        content = {
            "order_id": order["order_id"],
            "customer": {"name": order["customer_name"], "email": order["customer_email"]},
            "items": order["items"],
            "shipping_address": order["shipping_address"],
            "total": str(order["total"]),
            "source": order["source"],
        }
        return await storage.orders.append_event(
            connection, public_id, type=type, actor=actor, content=content, traceparent=traceparent
        )

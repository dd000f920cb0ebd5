"""Orders are accepted, shown, listed, and moved; whichever door asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from orderbus import storage, telemetry
from orderbus.domain import states
from orderbus.domain.events import ORDER_CREATED, rfc3339
from orderbus.domain.orders import PlaceOrder
from orderbus.domain.states import Action, Status
from orderbus.domain.text import brief
from orderbus.errors import Changed, Conflict, KeyReused, Unavailable
from orderbus.storage.database import Connection, Database, after_commit
from orderbus.storage.order_lists import Filter
from orderbus.storage.orders import Kept


@dataclass(frozen=True, slots=True)
class Placed:
    """An order that is stored; ``created`` is false where it had been stored before."""

    order_id: UUID
    external_ref: str
    created: bool
    created_at: datetime


async def accept(
    connection: Connection,
    order: PlaceOrder,
    *,
    traceparent: str | None,
    order_id: UUID | None = None,
    actor: str | None = None,
) -> Placed:
    """Store an order with its first event and outbox pointer, for whichever door it came by.

    Once that is committed, in the caller's transaction if there is one, it is counted and told,
    and the dispatcher woken. One statement, one round trip; a second one only where the order was
    there before. ``actor`` is who placed it, if that is neither its source nor who closed its cart.
    Raises ``Conflict`` where the reference stands for another content, ``KeyReused`` where the
    idempotency key does, ``Unavailable``.
    """
    kept = await storage.orders.add(
        connection,
        order,
        type=ORDER_CREATED,
        content={**order.content(), "source": order.source, "status": Status.CREATED},
        details=_details(order),
        traceparent=traceparent,
        public_id=order_id,
        actor=actor,
    )
    if kept is not None:
        after_commit(connection, partial(_tell_accepted, kept, order.cart_uuid))
        return Placed(kept.public_id, kept.external_ref, created=True, created_at=kept.created_at)
    taken = await storage.orders.find_taken(
        connection,
        source=order.source,
        external_ref=order.order_id,
        idempotency_key=order.idempotency_key,
    )
    return _same_again(order, taken)


def _tell_accepted(kept: Kept, cart_uuid: UUID | None, _: Database) -> None:
    telemetry.ACCEPTED.inc()
    of_cart = {} if cart_uuid is None else {"cart_uuid": str(cart_uuid)}
    telemetry.log.info(
        "order_accepted",
        order_id=str(kept.public_id),
        external_ref=kept.external_ref,
        **of_cart,
    )


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


async def find(database: Database, id_or_ref: str) -> dict[str, Any]:
    """Show an order as JSON values, found by our uuid or the sender's reference.

    Raises ``NotFound``, ``Unavailable``.
    """
    async with database.connection() as connection:
        return shown(await storage.orders.get(connection, id_or_ref))


async def list_newest(
    database: Database, wanted: Filter, *, before: int | None, at_most: int
) -> tuple[list[dict[str, Any]], int | None]:
    """List orders as JSON values from the newest on, and where the list goes on, if it does."""
    async with database.connection() as connection:
        rows = await storage.order_lists.list_newest(
            connection, wanted, before=before, at_most=at_most + 1
        )
    going_on = rows[at_most - 1]["number"] if len(rows) > at_most else None
    return [shown(row) for row in rows[:at_most]], going_on


async def history(database: Database, id_or_ref: str) -> dict[str, Any]:
    """Tell who did what to an order, and when. Raises ``NotFound``, ``Unavailable``."""
    async with database.connection() as connection:
        order = await storage.orders.get(connection, id_or_ref)
        rows = await storage.events.history(connection, order["id"])
    events = [{**row, "at": rfc3339(row["at"]), "event_id": str(row["event_id"])} for row in rows]
    return {
        "id": str(order["id"]),
        "external_ref": order["order_id"],
        "order_id": order["order_id"],
        "history": events,
    }


async def journey(database: Database, id_or_ref: str) -> dict[str, Any]:
    """Tell an order's whole way: events, publications, deliveries, attempts.

    Raises ``NotFound``, ``Unavailable``.
    """
    async with database.connection() as connection:
        order = await storage.orders.get(connection, id_or_ref)
        return await storage.journey.get(connection, order["id"])


async def cancel(
    connection: Connection,
    id_or_ref: str,
    *,
    reason: str | None,
    actor: str,
    seen: int | None,
    traceparent: str | None,
) -> dict[str, Any]:
    """Cancel an order in the caller's transaction, and show it as it is then.

    ``seen`` is the sequence the caller saw last. Raises ``NotFound``, ``IllegalMove``; ``Changed``
    where the order is no longer as it was seen.
    """
    order = await lock_as_seen(connection, id_or_ref, seen)
    await move(
        connection, order, Action.CANCEL, reason=reason, actor=actor, traceparent=traceparent
    )
    return shown(await storage.orders.get(connection, str(order["id"])))


async def lock_as_seen(connection: Connection, id_or_ref: str, seen: int | None) -> dict[str, Any]:
    """Lock an order for a change; raises ``NotFound``, ``Changed`` as ``cancel`` does."""
    found = await storage.orders.get(connection, id_or_ref)
    order = await storage.orders.lock(connection, found["id"])
    if seen is not None and seen != order["event_seq"]:
        message = f'If-Match names another version of the order: its ETag is "{order["event_seq"]}"'
        raise Changed(message)
    return order


async def move(
    connection: Connection,
    order: Mapping[str, Any],
    action: Action,
    *,
    actor: str,
    reason: str | None = None,
    also: str | None = None,
    told: Mapping[str, Any] | None = None,
    traceparent: str | None = None,
) -> int:
    """Move an order whose row is locked, with history, event and outbox pointer; its new sequence.

    ``also`` is the type of a second event, and ``told`` what both tell beside the order. Raises
    ``IllegalMove``.
    """
    found = states.move(Status(order["status"]), action)
    sequence = await storage.events.append(
        connection,
        order["number"],
        types=[found.event, *([also] if also else [])],
        actor=actor,
        content={
            **_content({**order, "status": found.target, "status_reason": reason}),
            **(told or {}),
        },
        details={
            "from": order["status"],
            "to": found.target,
            **({"reason": reason} if reason else {}),
        },
        traceparent=traceparent,
        move=storage.events.Move(found.target, reason),
    )
    telemetry.MOVES.labels(source=order["status"], target=found.target).inc()
    return sequence


def shown(order: Mapping[str, Any]) -> dict[str, Any]:
    """Write an order as JSON values."""
    content = _content(order)
    return {
        "id": str(order["id"]),
        "external_ref": order["order_id"],
        **content,
        "reason": order["status_reason"],
        "allowed_actions": states.offered_actions(Status(order["status"])),
        "cart_uuid": None if order["cart_uuid"] is None else str(order["cart_uuid"]),
        "created_at": rfc3339(order["created_at"]),
        "sequence": order["event_seq"],
    }


def _content(order: Mapping[str, Any]) -> dict[str, Any]:
    customer = {"name": order["customer_name"], "email": order["customer_email"]}
    if order["customer_ref"] is not None:
        customer["ref"] = order["customer_ref"]
    return {
        "order_id": order["order_id"],
        "customer": customer,
        "items": order["items"],
        "shipping_address": order["shipping_address"],
        "total": str(order["total"]),
        "source": order["source"],
        "status": order["status"],
    }

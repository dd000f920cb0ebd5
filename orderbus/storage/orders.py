"""Orders as they are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Final
from uuid import UUID

from asyncpg import Record

from orderbus.domain.events import ORDER_CREATED
from orderbus.domain.orders import OrderId, PlaceOrder
from orderbus.domain.states import Cause, Fulfillment, State, Status
from orderbus.domain.text import brief
from orderbus.errors import Busy, NotFound
from orderbus.storage import events, rows
from orderbus.storage.adding import Adding
from orderbus.storage.database import Connection


@dataclass(frozen=True, slots=True)
class Kept:
    """What a door needs to know of an order that is stored."""

    order_id: OrderId
    external_ref: str
    created_at: datetime
    content_hash: bytes


@dataclass(frozen=True, slots=True)
class OrderItem:
    """One line of an order, how much of it has left, and the product, if it names one by uuid."""

    line: int
    sku: str
    name: str
    quantity: int
    unit_price: Decimal
    shipped: int
    product: str | None


@dataclass(frozen=True, slots=True)
class Order:
    """An order with its items."""

    order_pk: int
    order_id: OrderId
    external_ref: str
    source: str
    customer_name: str
    customer_email: str
    customer_ref: str | None
    customer_id: UUID | None
    items: Sequence[OrderItem]
    shipping_address: str
    total: Decimal
    status: Status
    status_reason: str | None
    cancel_cause: Cause | None
    fulfillment_status: Fulfillment
    on_hold: bool
    hold_reason: str | None
    metadata: Mapping[str, str | int | bool]
    cart_uuid: UUID | None
    created_at: datetime
    event_seq: int

    @property
    def state(self) -> State:
        """Say where it is on all axes."""
        return State(self.status, self.fulfillment_status, self.on_hold)


#: How long many orders wait together for a row that somebody else is storing under the same name.
_PATIENCE: Final = "500ms"


_ADD: Final = Adding().statement()


@dataclass(frozen=True, slots=True, kw_only=True)
class New:
    """An order to be stored, with its first event.

    ``content`` is what the event says, as JSON: the order's row and its items are read from it.
    ``details`` are JSON, too; ``actor`` is who placed it: whoever closed its cart, or else its
    source, where it is not given.
    """

    order_id: OrderId
    order: PlaceOrder
    content: str
    content_hash: bytes
    details: str
    actor: str | None
    traceparent: str | None
    request_id: str | None


#: What ``given`` lists of each.
_COLUMNS: Final = attrgetter(
    *("order_id", "content", "order.idempotency_key", "content_hash", "order.cart_uuid"),
    *("details", "actor", "traceparent", "request_id"),
)


def arguments(new: Sequence[New]) -> Sequence[object]:
    """List what every statement that adds orders takes: arguments 1 to 11."""
    # In one order, whoever sends them: two statements that share references do not deadlock.
    orders = sorted(new, key=lambda one: one.order.external_ref)
    columns = zip(*map(_COLUMNS, orders), strict=True)
    return [*columns, ORDER_CREATED, _PATIENCE if len(new) > 1 else None]


async def add(connection: Connection, new: Sequence[New]) -> list[datetime | None]:
    """Store orders with their items, history, first events and outbox pointers, all or nothing.

    One statement, one round trip, however many. Answers when each was stored; None where an order
    with its reference, its idempotency key or of its cart is there: ``find_taken`` tells which.
    """
    stored = await connection.fetch(_ADD, *arguments(new))
    if stored:
        events.wake_dispatcher(connection)
    since = {row["public_id"]: row["created_at"] for row in stored}
    return [since.get(one.order_id) for one in new]


async def find_taken(
    connection: Connection, *, source: str, external_ref: str, idempotency_key: str | None
) -> list[Kept]:
    """List the orders that hold this reference or this idempotency key; two at most."""
    taken = await connection.fetch(
        """
        SELECT public_id, external_ref, created_at, content_hash
          FROM orders.orders
         WHERE source = $1 AND external_ref = $2
         UNION
        SELECT public_id, external_ref, created_at, content_hash
          FROM orders.orders
         WHERE source = $1 AND idempotency_key = $3
        """,
        source,
        external_ref,
        idempotency_key,
    )
    return rows.many(Kept, taken)


COLUMNS: Final = """
    o.id AS order_pk, o.public_id, o.external_ref, o.source, o.customer_name, o.customer_email,
    o.customer_ref, o.customer_id, o.shipping_address, o.total, o.created_at, o.event_seq,
    o.cart_uuid, o.status, o.status_reason, o.cancel_cause, o.fulfillment_status, o.on_hold,
    o.hold_reason, coalesce(o.metadata, '{}') AS metadata,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('line', i.line, 'sku', i.sku, 'name', i.name,
                'quantity', i.quantity, 'unit_price', i.unit_price::text,
                'shipped', i.shipped, 'product', i.product_uuid)
                ORDER BY i.line), '[]')
       FROM orders.order_items i
      WHERE i.order_id = o.id) AS items
"""


def order_of(record: Record) -> Order:
    """Make an order of a record with ``COLUMNS``."""
    items = [
        OrderItem(**{**item, "unit_price": Decimal(item["unit_price"])}) for item in record["items"]
    ]
    cause = record["cancel_cause"]
    return rows.one(
        Order,
        record,
        items=items,
        status=Status(record["status"]),
        cancel_cause=cause and Cause(cause),
        fulfillment_status=Fulfillment(record["fulfillment_status"]),
    )


_NAMED: Final = """
      FROM orders.orders o
     WHERE (o.public_id = $1 OR o.external_ref = $2)
       AND ($3::uuid IS NULL OR (customer_id = $3 AND removed_at IS NULL))
     ORDER BY o.public_id = $1 DESC NULLS LAST,
              array_position(ARRAY['webhook', 'cart', 'api', 'catalog'], o.source), o.id DESC
     LIMIT 1
"""
_LOCK: Final = f"SELECT o.public_id {_NAMED} FOR UPDATE"


async def get(connection: Connection, id_or_ref: str, *, customer: UUID | None = None) -> Order:
    """Show an order with its items, found by our uuid or by the sender's reference.

    Of several orders under one reference it finds the one that was signed, then that of a cart:
    whoever holds a key may choose any reference. Each is found by its uuid. To a ``customer`` there
    are none but their own, without those that were removed. Raises ``NotFound``.
    """
    row = await connection.fetchrow(
        f"SELECT {COLUMNS} {_NAMED}",
        _as_uuid(id_or_ref),
        id_or_ref,
        customer,
    )
    if row is None:
        raise NotFound(f"No order {brief(id_or_ref)}")
    return order_of(row)


async def lock(
    connection: Connection, id_or_ref: OrderId | str, *, customer: UUID | None = None
) -> Order:
    """Keep everybody else from changing an order, found as by ``get``, and show it as it is then.

    Raises ``NotFound``.
    """
    named = str(id_or_ref)
    order_id = await connection.fetchval(_LOCK, _as_uuid(named), named, customer)
    if order_id is None:
        raise NotFound(f"No order {brief(named)}")
    # In a statement of its own: it sees what was written while the first one waited.
    return await get(connection, str(order_id))


#: An order's sequence when the statement began; that of a row that it waited for is a later one.
_SEEN: Final = "(SELECT event_seq FROM orders.orders AS seen WHERE seen.id = o.id)"
_ANEW: Final = f"SELECT {COLUMNS} FROM orders.orders o WHERE public_id = ANY ($1)"  # noqa: S608


async def lock_all(
    connection: Connection, order_ids: Sequence[OrderId], *, wait: bool = False
) -> list[Order]:
    """Lock orders in one order, for whoever changes many; shows them as asked for, as they are now.

    Waits for nobody unless told to: raises ``Busy`` where somebody else is at work on one. Raises
    ``NotFound``.
    """
    rows = await connection.fetch(
        f"""
        SELECT {COLUMNS}, {_SEEN} AS seen
          FROM (SELECT DISTINCT unnest($1::uuid[]) AS given ORDER BY 1) AS asked
         CROSS JOIN LATERAL (
                SELECT * FROM orders.orders
                 WHERE public_id = asked.given
                   FOR UPDATE {"" if wait else "SKIP LOCKED"}) AS o
        """,  # noqa: S608 - as above
        order_ids,
    )
    found = {row["public_id"]: row for row in rows}
    for missing in (order_id for order_id in order_ids if order_id not in found):
        if await connection.fetchval(
            "SELECT true FROM orders.orders WHERE public_id = $1", missing
        ):
            raise Busy("Somebody else is at work on an order")
        raise NotFound(f"No order {missing}")
    stale = [order_id for order_id, row in found.items() if row["seen"] != row["event_seq"]]
    if stale:  # Their lines are as they were before it waited.
        anew = await connection.fetch(_ANEW, stale)
        found |= {row["public_id"]: row for row in anew}
    return [order_of(found[order_id]) for order_id in order_ids]


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None

"""Lists of orders, read page by page and each page by an index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from orderbus.domain.orders import OrderId
from orderbus.domain.states import Fulfillment
from orderbus.storage import rows
from orderbus.storage.database import Connection
from orderbus.storage.orders import COLUMNS, Order, order_of


@dataclass(frozen=True, slots=True)
class OrderInBrief:
    """An order without who ordered what."""

    order_pk: int
    order_id: OrderId
    cart_uuid: UUID | None
    total: Decimal
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Filter:
    """Which orders to list: all that fit everything that is given, the ``oldest`` first or last.

    ``total`` and ``sku`` are looked for among the orders that ``customer`` or ``external_ref``
    finds: by themselves they have no index. ``customer_id`` is who sees their own orders alone,
    without those that were removed: whatever else is asked for is looked for among these.
    """

    statuses: Sequence[str] | None = None
    source: str | None = None
    external_ref: str | None = None
    customer: str | None = None
    customer_id: UUID | None = None
    created_at__gte: datetime | None = None
    created_at__lt: datetime | None = None
    fulfillment_status: str | None = None
    on_hold: bool | None = None
    total__gte: Decimal | None = None
    total__lte: Decimal | None = None
    sku: str | None = None
    oldest: bool = False


#: What every list asks for beside its own filter, and where it goes on: arguments 1 to 6. Given as
#: ranges that are always there, so that a plan made once reads no more than one made for them.
_WITHIN: Final = """
    created_at >= coalesce($1::timestamptz, '-infinity')
    AND created_at < coalesce($2::timestamptz, 'infinity')
"""
_NEWEST: Final = f"""
    {_WITHIN}
    AND (created_at, id) < (coalesce((SELECT created_at FROM orders.orders
                                       WHERE id <= $3 ORDER BY id DESC LIMIT 1), 'infinity'),
                            coalesce($3::bigint, 9223372036854775807))
"""  # noqa: S608 - constants of ours
_OLDEST: Final = f"""
    {_WITHIN}
    AND (created_at, id) > (coalesce((SELECT created_at FROM orders.orders
                                       WHERE id >= $3 ORDER BY id LIMIT 1), '-infinity'),
                            coalesce($3::bigint, 0))
"""  # noqa: S608 - as above
_OF_KIND: Final = "($4::text IS NULL OR source = $4) AND ($5::text[] IS NULL OR status = ANY ($5))"


@dataclass
class _Asked:
    """A statement in the making: its arguments, and the conditions that each order has to fit."""

    arguments: list[object]
    is_fitting: str = ""

    def given(self, value: object, kind: str) -> str:
        """Add an argument; returns how a statement names it."""
        self.arguments.append(value)
        return f"${len(self.arguments)}::{kind}"

    def narrow(self, condition: str) -> None:
        """Let fewer orders fit."""
        self.is_fitting += f" AND {condition}"


def _of_all_kinds(listed: str, order: str, among: str = "true", status: str = "true") -> str:
    """List orders of each combination of source and status that there is among some of them.

    Each combination is found by one look into the index.
    """
    return f"""
        WITH RECURSIVE kinds AS (
            (SELECT source, status FROM orders.orders WHERE {among}
              ORDER BY source, status LIMIT 1)
             UNION ALL
            SELECT next.source, next.status
              FROM kinds
             CROSS JOIN LATERAL (SELECT source, status
                                   FROM orders.orders
                                  WHERE {among} AND (source, status) > (kinds.source, kinds.status)
                                  ORDER BY source, status
                                  LIMIT 1) AS next
        )
        SELECT listed.id, listed.created_at
          FROM kinds
         CROSS JOIN LATERAL (SELECT id, created_at
                               FROM orders.orders
                              WHERE orders.source = kinds.source AND orders.status = kinds.status
                                AND {among} AND {listed} {order}) AS listed
         WHERE {_OF_KIND} AND {status}
    """  # noqa: S608 - as above


def _to_be_shipped(listed: str, order: str) -> str:
    """List what is pending: of what is completed most has left, so it has an index of its own."""
    completed = f"""
        SELECT listed.id, listed.created_at
          FROM unnest(ARRAY['webhook', 'api', 'cart', 'catalog']) AS source
         CROSS JOIN LATERAL (SELECT id, created_at
                               FROM orders.orders
                              WHERE orders.source = source.source
                                AND status = 'completed' AND fulfillment_status = 'pending'
                                AND {listed} {order}) AS listed
         WHERE ($4::text IS NULL OR source = $4) AND ($5::text[] IS NULL OR 'completed' = ANY ($5))
    """  # noqa: S608 - as above
    others = _of_all_kinds(
        f"fulfillment_status = 'pending' AND {listed}", order, status="status <> 'completed'"
    )
    return f"({completed}) UNION ALL ({others})"


def _found(wanted: Filter, asked: _Asked, order: str) -> str:
    """Say which orders there are to list, by the index that knows them best."""
    listed = f"{_OLDEST if wanted.oldest else _NEWEST} {asked.is_fitting}"
    found = f"SELECT id, created_at FROM orders.orders WHERE {_OF_KIND} AND {listed}"  # noqa: S608 - as above
    if wanted.external_ref is not None:
        return f"{found} AND external_ref = {asked.given(wanted.external_ref, 'text')}"
    if wanted.customer is not None:
        name = asked.given(wanted.customer, "text")
        return f"""
            ({found} AND customer_email = {name} AND customer_email <> '' {order})
             UNION ALL
            ({found} AND customer_ref = {name} AND customer_email <> {name} {order})
        """
    if wanted.on_hold:
        return f"{found} AND on_hold {order}"
    if wanted.fulfillment_status == Fulfillment.PENDING:
        return _to_be_shipped(listed, order)
    if wanted.fulfillment_status is not None:
        name = asked.given(wanted.fulfillment_status, "text")
        among = f"fulfillment_status = {name} AND fulfillment_status <> 'pending'"
        return _of_all_kinds(listed, order, among)
    return _of_all_kinds(listed, order)


#: What of an order is asked for that is looked for row by row, and of which type it is.
_BY_ROW: Final[Mapping[str, tuple[str, str]]] = {
    "customer_id": ("customer_id = {0} AND removed_at IS NULL", "uuid"),
    "external_ref": ("external_ref = {0}", "text"),
    "customer": ("(customer_email = {0} OR customer_ref = {0})", "text"),
    "fulfillment_status": ("fulfillment_status = {0}", "text"),
    "total__gte": ("total >= {0}", "numeric"),
    "total__lte": ("total <= {0}", "numeric"),
    "sku": (
        "EXISTS (SELECT FROM orders.order_items AS item"
        " WHERE item.order_id = orders.id AND item.sku = {0})",
        "text",
    ),
}
_OF_ONE: Final = ("total__gte", "total__lte", "sku")


def _narrow(wanted: Filter, asked: _Asked) -> None:
    """Let only those fit that fit what has no index by itself."""
    names = [*_OF_ONE] if wanted.customer_id is None else [*_BY_ROW]
    if wanted.customer_id is None:
        by_one = wanted.external_ref is not None or wanted.customer is not None
        if wanted.external_ref is not None:
            names.append("customer")
        if by_one or wanted.on_hold:
            names.append("fulfillment_status")
    for name in names:
        if (value := getattr(wanted, name)) is not None:
            condition, kind = _BY_ROW[name]
            asked.narrow(condition.format(asked.given(value, kind)))
    if wanted.on_hold is not None:
        asked.narrow("on_hold" if wanted.on_hold else "NOT on_hold")


async def list_page(
    connection: Connection, wanted: Filter, *, position: int | None, at_most: int
) -> list[Order]:
    """List orders in the order that is wanted, those behind the row numbered ``position``.

    A list that goes on there shows each order once, however many come in meanwhile.
    """
    statuses = None if wanted.statuses is None else [*wanted.statuses]
    within = [wanted.created_at__gte, wanted.created_at__lt, position, wanted.source]
    asked = _Asked([*within, statuses, at_most])
    _narrow(wanted, asked)
    direction = "ASC" if wanted.oldest else "DESC"
    order = f"ORDER BY created_at {direction}, id {direction} LIMIT $6"
    if wanted.customer_id is not None:  # by its own index, whatever else is asked for
        listed = f"{_OLDEST if wanted.oldest else _NEWEST} {asked.is_fitting}"
        found = f"SELECT id, created_at FROM orders.orders WHERE {_OF_KIND} AND {listed} {order}"  # noqa: S608 - as above
    else:
        found = _found(wanted, asked, order)
    records = await connection.fetch(
        f"""
        SELECT {COLUMNS}
          FROM (SELECT id FROM ({found}) AS found {order}) AS page
          JOIN orders.orders o USING (id)
         ORDER BY o.created_at {direction}, o.id {direction}
        """,  # noqa: S608 - as above
        *asked.arguments,
    )
    return [order_of(record) for record in records]


async def list_after(connection: Connection, order_pk: int, *, at_most: int) -> list[OrderInBrief]:
    """List orders in brief from the oldest on, those after the row numbered ``order_pk``."""
    records = await connection.fetch(
        """
        SELECT id AS order_pk, public_id, cart_uuid, total, created_at
          FROM orders.orders
         WHERE id > $1 ORDER BY id LIMIT $2
        """,
        order_pk,
        at_most,
    )
    return rows.many(OrderInBrief, records)

"""Lists of orders, read page by page and each page by an index."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from orderbus.domain.orders import OrderId
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
    """Which orders to list: all that fit everything that is given."""

    status: str | None = None
    source: str | None = None
    external_ref: str | None = None
    customer: str | None = None
    created_at__gte: datetime | None = None
    created_at__lt: datetime | None = None


#: What every list asks for beside its own filter, and where it goes on: arguments 1 to 6. Given as
#: ranges that are always there, so that a plan made once reads no more than one made for them.
_WANTED: Final = """
    created_at >= coalesce($1::timestamptz, '-infinity')
    AND created_at < coalesce($2::timestamptz, 'infinity')
    AND (created_at, id) < (coalesce((SELECT created_at FROM orders.orders
                                       WHERE id <= $3 ORDER BY id DESC LIMIT 1), 'infinity'),
                            coalesce($3::bigint, 9223372036854775807))
"""
_NEWEST: Final = "ORDER BY created_at DESC, id DESC LIMIT $6"
_OF_KIND: Final = "($4::text IS NULL OR source = $4) AND ($5::text IS NULL OR status = $5)"
#: The combinations of source and status that there are, each found by one look into the index.
_OF_ALL_KINDS: Final = f"""
    WITH RECURSIVE kinds AS (
        (SELECT source, status FROM orders.orders ORDER BY source, status LIMIT 1)
         UNION ALL
        SELECT next.source, next.status
          FROM kinds
         CROSS JOIN LATERAL (SELECT source, status
                               FROM orders.orders
                              WHERE (source, status) > (kinds.source, kinds.status)
                              ORDER BY source, status
                              LIMIT 1) AS next
    )
    SELECT listed.id, listed.created_at
      FROM kinds
     CROSS JOIN LATERAL (SELECT id, created_at
                           FROM orders.orders
                          WHERE orders.source = kinds.source AND orders.status = kinds.status
                            AND {_WANTED} {_NEWEST}) AS listed
     WHERE {_OF_KIND}
"""  # noqa: S608 - constants of ours
_LISTED: Final = f"SELECT id, created_at FROM orders.orders WHERE {_OF_KIND} AND {_WANTED}"  # noqa: S608 - as above
_OF_CUSTOMER: Final = f"""
    ({_LISTED} AND customer_email = $7 AND customer_email <> '' {_NEWEST})
     UNION ALL
    ({_LISTED} AND customer_ref = $7 AND customer_email <> $7 {_NEWEST})
"""
_OF_REFERENCE: Final = f"""
    {_LISTED}
       AND external_ref = $7 AND ($8::text IS NULL OR customer_email = $8 OR customer_ref = $8)
"""


async def list_newest(
    connection: Connection, wanted: Filter, *, before: int | None, at_most: int
) -> list[Order]:
    """List orders from the newest on, those before the row numbered ``before``.

    A list that goes on there shows each order once, however many come in meanwhile.
    """
    if wanted.external_ref is not None:
        found, of = _OF_REFERENCE, [wanted.external_ref, wanted.customer]
    elif wanted.customer is not None:
        found, of = _OF_CUSTOMER, [wanted.customer]
    else:
        found, of = _OF_ALL_KINDS, []
    records = await connection.fetch(
        f"""
        SELECT {COLUMNS}
          FROM (SELECT id FROM ({found}) AS found {_NEWEST}) AS page
          JOIN orders.orders o USING (id)
         ORDER BY o.created_at DESC, o.id DESC
        """,  # noqa: S608 - as above
        wanted.created_at__gte,
        wanted.created_at__lt,
        before,
        wanted.source,
        wanted.status,
        at_most,
        *of,
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

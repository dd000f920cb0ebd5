"""Orders as the shop lists them: from the oldest on, those of a customer or all, without removed.

The lists of a customer are read by the index ``orders_by_customer``, those of all by the numbers of
the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from orderbus.errors import NotFound
from orderbus.storage.database import Connection
from orderbus.storage.orders import COLUMNS, Order, order_of

#: Orders that are counted, and listed, at most.
MOST_COUNTED: Final = 100_000


@dataclass(frozen=True, slots=True)
class Page:
    """Some orders of a list, and how many it has, up to ``MOST_COUNTED``."""

    orders: Sequence[Order]
    count: int


async def get(connection: Connection, order_pk: int, *, customer: UUID | None = None) -> Order:
    """Show an order, the customer's alone if one is given. Raises ``NotFound``, also if removed."""
    row = await connection.fetchrow(
        f"""
        SELECT {COLUMNS}
          FROM orders.orders o
         WHERE id = $1 AND removed_at IS NULL AND ($2::uuid IS NULL OR customer_id = $2)
        """,  # noqa: S608 - constants of ours
        order_pk,
        customer,
    )
    if row is None:
        raise NotFound("Not found.")
    return order_of(row)


async def list_page(
    connection: Connection, *, customer: UUID | None, offset: int, at_most: int
) -> Page:
    """List orders behind the first ``offset``, and count them."""
    if customer is None:
        mine, order, arguments = "true", "id", []
    else:
        mine, order, arguments = "customer_id = $1", "created_at, id", [customer]
    listed = f"FROM orders.orders WHERE {mine} AND removed_at IS NULL"
    count = int(
        await connection.fetchval(
            f"SELECT count(*) FROM (SELECT {listed} LIMIT {MOST_COUNTED}) AS counted",  # noqa: S608 - constants of ours
            *arguments,
        )
    )
    if offset >= count:
        return Page([], count)
    page = f"ORDER BY {order} LIMIT {at_most:d} OFFSET {offset:d}"
    records = await connection.fetch(
        f"""
        SELECT {COLUMNS}
          FROM (SELECT id, created_at {listed} {page}) AS page
          JOIN orders.orders o USING (id)
         ORDER BY {order.replace("created_at", "page.created_at")}
        """,  # noqa: S608 - as above, and numbers
        *arguments,
    )
    return Page([order_of(record) for record in records], count)

"""The orders that say something of a customer."""

from __future__ import annotations

from uuid import UUID

from orderbus.storage.database import Connection
from orderbus.storage.orders import COLUMNS, Order, order_of


async def list_personal(connection: Connection, customer: UUID, *, at_most: int) -> list[Order]:
    """List orders of a customer that say something of them, removed ones too."""
    records = await connection.fetch(
        f"""
        SELECT {COLUMNS}
          FROM orders.orders o
         WHERE customer_id = $1
           AND (customer_name <> '' OR customer_email <> '' OR customer_ref IS NOT NULL
                OR shipping_address <> '' OR metadata <> '{{}}')
         LIMIT $2
        """,  # noqa: S608 - the columns are a constant of ours
        customer,
        at_most,
    )
    return [order_of(record) for record in records]

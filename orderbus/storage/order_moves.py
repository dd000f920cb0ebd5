"""The lines of orders, and how much of each has left."""

from __future__ import annotations

from collections.abc import Mapping

from orderbus.storage.database import Connection


async def note_shipped(connection: Connection, order_pk: int, leaving: Mapping[int, int]) -> None:
    """Note that so much of each line has left; whoever calls has locked the order.

    The database refuses more than was ordered.
    """
    if leaving:
        await connection.execute(
            """
            UPDATE orders.order_items
               SET shipped = shipped + given.quantity
              FROM unnest($2::integer[], $3::integer[]) AS given (line, quantity)
             WHERE order_id = $1 AND order_items.line = given.line
            """,
            order_pk,
            [*leaving],
            [*leaving.values()],
        )

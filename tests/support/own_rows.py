"""Many orders that are customers': half of all are one's, a few another's."""

from __future__ import annotations

from uuid import UUID

from orderbus.storage.database import Connection

BUYS_MUCH = UUID(int=1)
BUYS_LITTLE = UUID(int=2)


async def belong_to_customers(connection: Connection) -> None:
    """Let orders be theirs, as the number in their reference says: ``SO-1`` and so on."""
    await connection.execute(
        """
        UPDATE orders.orders
           SET customer_id = CASE WHEN n % 2 = 0 THEN $1::uuid ELSE $2::uuid END
          FROM (SELECT id, substr(external_ref, 4)::integer AS n FROM orders.orders) AS numbered
         WHERE numbered.id = orders.id AND (n % 2 = 0 OR n % 601 = 0)
        """,
        BUYS_MUCH,
        BUYS_LITTLE,
    )
    await connection.execute("VACUUM ANALYZE orders.orders")

"""What is kept of other contents of orders."""

from __future__ import annotations

from orderbus.storage.database import Connection, Database
from tests.support import scenario


async def count(database: Database) -> int:
    found: int = await scenario.value(database, "SELECT count(*) FROM orders.conflicts")
    return found


async def add_to_every_order(connection: Connection) -> None:
    """Add another content for every order there is, which came a day after it."""
    await connection.execute(
        """
        INSERT INTO orders.conflicts
               (order_id, content_hash, total, lines, answered, actor, first_at, last_at)
        SELECT id, sha256(id::text::bytea), 2, 1, 'refused', 'webhook',
               created_at + interval '1 day', created_at + interval '1 day'
          FROM orders.orders
        """
    )
    await connection.execute("ANALYZE orders.conflicts")

"""Carts that are being filled."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from orderbus.storage.database import Connection, Database
from tests.support.scenario import value


async def count(database: Database) -> int:
    return int(await value(database, "SELECT count(*) FROM orders.carts"))


async def add(database: Database) -> UUID:
    """Add an open cart of 1.00."""
    found: UUID = await value(
        database, "INSERT INTO orders.carts (total_amount) VALUES (1) RETURNING uuid"
    )
    return found


async def add_many(database: Database, count: int) -> None:
    """Add carts, the first of 1.00, the second of 2.00, and so on."""
    await value(
        database,
        "INSERT INTO orders.carts (total_amount)"
        " SELECT n FROM generate_series(1, $1::integer) AS n",
        count,
    )


async def give_away(connection: Connection, customer: UUID, every: int) -> None:
    """Let every so many-th cart be a customer's."""
    await connection.execute(
        "UPDATE orders.carts SET customer_id = $1 WHERE id % $2 = 0", customer, every
    )
    await connection.execute("VACUUM ANALYZE orders.carts")


async def closed_at(database: Database) -> datetime | None:
    """When the one cart there is was checked out."""
    found: datetime | None = await value(database, "SELECT closed_at FROM orders.carts")
    return found


async def close_long_ago(database: Database) -> None:
    """Let every cart have been checked out longer ago than its events are kept."""
    await value(database, "UPDATE orders.carts SET closed_at = now() - interval '60 days'")

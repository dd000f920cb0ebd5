"""Watermarks: up to where each order's story has come back without a gap."""

from __future__ import annotations

from collections.abc import Sequence

from orderbus.storage.database import Connection, Database
from tests.support.scenario import value


async def by_order(database: Database) -> dict[int, int]:
    """The watermark of every order that has one, by the order's key."""
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT order_id, sequence FROM ops.watermarks")
    return {row["order_id"]: row["sequence"] for row in rows}


async def are_all_of_today(database: Database) -> bool:
    query = "SELECT bool_and(day = (now() AT TIME ZONE 'UTC')::date) FROM ops.watermarks"
    return bool(await value(database, query))


async def age_all(database: Database) -> None:
    """Let every watermark be older than any day that is kept."""
    await value(database, "UPDATE ops.watermarks SET day = '-infinity'")


async def hold(connection: Connection, order: int | None = None) -> None:
    """Hold the watermark of every order or of one, as whoever records its event does."""
    await connection.execute(
        "SELECT FROM ops.watermarks WHERE $1::bigint IS NULL OR order_id = $1 FOR UPDATE", order
    )


async def add(database: Database, count: int, *, days_ago: int) -> None:
    """Add watermarks of orders whose last event is so many days old."""
    async with database.connection() as connection:
        await connection.execute(
            """
            INSERT INTO ops.watermarks (order_id, sequence, day)
            SELECT n, 1, now() - $2 * interval '1 day' FROM generate_series(1, $1::integer) AS n
            """,
            count,
            days_ago,
        )
        await connection.execute("ANALYZE ops.watermarks")


async def take_as_before(database: Database, orders: Sequence[int]) -> None:
    """Lock or make the watermarks of orders as bridges did before any was forgotten."""
    await value(
        database,
        "INSERT INTO ops.watermarks (order_id) SELECT unnest($1::bigint[])"
        " ON CONFLICT (order_id) DO UPDATE SET sequence = watermarks.sequence",
        orders,
    )

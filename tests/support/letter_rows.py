"""Dead letters: what is kept of what was given up."""

from __future__ import annotations

from typing import Any

from orderbus.storage.database import Database
from tests.support.scenario import value


async def count(database: Database) -> int:
    return int(await value(database, "SELECT count(*) FROM ops.dead_letters"))


async def every(database: Database) -> list[dict[str, Any]]:
    """Every dead letter as it is kept, the oldest first."""
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT * FROM ops.dead_letters ORDER BY id")
    return [dict(row) for row in rows]


async def only(database: Database) -> dict[str, Any]:
    """The one dead letter there is, as it is kept."""
    (letter,) = await every(database)
    return letter


async def only_id(database: Database) -> int:
    return int((await only(database))["id"])


async def reasons(database: Database) -> list[str]:
    """Why each was given up, the oldest first."""
    return [letter["reason"] for letter in await every(database)]


async def add_of_every_event(database: Database, reason: str = "test") -> None:
    """Give up publishing every event there is, as far as dead letters say."""
    await value(
        database,
        "INSERT INTO ops.dead_letters (kind, event_id, occurred_at, reason, error)"
        " SELECT 'outbox', event_id, occurred_at, $1, $1 FROM ops.events",
        reason,
    )


async def add_of_every_delivery(database: Database, reason: str = "test") -> None:
    """Write a dead letter of every delivery there is."""
    await value(
        database,
        "INSERT INTO ops.dead_letters (kind, delivery_id, reason, error)"
        " SELECT 'delivery', id, $1, $1 FROM ops.webhook_deliveries",
        reason,
    )

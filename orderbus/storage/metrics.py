"""What is counted from events, exactly once each?"""

from __future__ import annotations

from typing import Any

from orderbus.storage.database import Connection


async def count(connection: Connection, description: str) -> None:
    """Count one more, in the transaction that consumes the event."""
    await connection.execute(
        """
        INSERT INTO ops.metrics AS metric (description, count) VALUES ($1, 1)
        ON CONFLICT (description) DO UPDATE SET count = metric.count + 1
        """,
        description,
    )


async def list_all(connection: Connection) -> list[dict[str, Any]]:
    """List every count by its name."""
    rows = await connection.fetch(
        "SELECT uuid, count, description FROM ops.metrics ORDER BY description"
    )
    return [dict(row) for row in rows]

"""What is counted from events, each of them exactly once."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from orderbus.storage import rows
from orderbus.storage.database import Connection


@dataclass(frozen=True, slots=True)
class Metric:
    """How often something was counted."""

    uuid: UUID
    count: int
    description: str


async def count(connection: Connection, description: str) -> None:
    """Count one more, in the transaction that consumes the event."""
    await connection.execute(
        """
        INSERT INTO ops.metrics AS metric (description, count) VALUES ($1, 1)
        ON CONFLICT (description) DO UPDATE SET count = metric.count + 1
        """,
        description,
    )


async def list_all(connection: Connection) -> list[Metric]:
    """List every count by its name."""
    records = await connection.fetch(
        "SELECT uuid, count, description FROM ops.metrics ORDER BY description"
    )
    return rows.many(Metric, records)

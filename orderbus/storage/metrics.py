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


async def count(connection: Connection, description: str, more: int = 1) -> None:
    """Count so many more, in the transaction that consumes the events. Waits for nobody."""
    await connection.execute(
        "INSERT INTO ops.counted (description, more) VALUES ($1, $2)", description, more
    )


async def fold(connection: Connection) -> None:
    """Add up what was counted; what is not committed yet is left for later."""
    await connection.execute(
        """
        WITH folded AS (
            DELETE FROM ops.counted
             WHERE ctid = ANY (ARRAY(SELECT ctid FROM ops.counted
                                      WHERE pg_try_advisory_xact_lock(hashtext('orderbus metrics'))
                                      LIMIT 10000
                                        FOR UPDATE SKIP LOCKED))
            RETURNING description, more
        )
        INSERT INTO ops.metrics AS metric (uuid, description, count)
        SELECT md5(description)::uuid, description, sum(more) FROM folded GROUP BY description
        ON CONFLICT (description) DO UPDATE SET count = metric.count + excluded.count
        """
    )


async def list_all(connection: Connection) -> list[Metric]:
    """List every count by its name."""
    records = await connection.fetch(
        """
        SELECT coalesce(uuid, md5(description)::uuid) AS uuid, description,
               (coalesce(count, 0) + coalesce(more, 0))::bigint AS count
          FROM ops.metrics
          FULL JOIN (SELECT description, sum(more) AS more
                       FROM ops.counted GROUP BY description) AS counted USING (description)
         ORDER BY description
        """
    )
    return rows.many(Metric, records)

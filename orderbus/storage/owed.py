"""What is one endpoint still owed, and of which orders? For people: nothing moves by it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from orderbus.storage.database import Connection


async def by(connection: Connection, endpoint_id: UUID, *, at_most: int) -> list[dict[str, Any]]:
    """List what an endpoint is owed, the next one first, with the order's reference."""
    rows = await connection.fetch(
        """
        SELECT delivery.id AS delivery_id, orders.external_ref AS reference, delivery.sequence,
               CASE WHEN endpoint.disabled_at IS NULL THEN delivery.state ELSE 'held' END AS state,
               delivery.attempts, delivery.occurred_at, delivery.due_at,
               last.status AS last_status, last.error AS last_error
          FROM ops.webhook_deliveries AS delivery
          JOIN ops.webhook_endpoints AS endpoint ON endpoint.id = delivery.endpoint_id
          JOIN orders.orders ON orders.id = delivery.order_id
          LEFT JOIN LATERAL (
               SELECT status, error
                 FROM ops.webhook_attempts
                WHERE delivery_id = delivery.id
                ORDER BY number DESC
                LIMIT 1) AS last ON true
         WHERE delivery.endpoint_id = $1 AND delivery.state = 'pending'
         ORDER BY delivery.due_at
         LIMIT $2
        """,
        endpoint_id,
        at_most,
    )
    return [dict(row) for row in rows]


async def held_by(connection: Connection, delivery_id: int) -> UUID | None:
    """Name the disabled endpoint that a delivery waits for; None where it may go."""
    endpoint_id: UUID | None = await connection.fetchval(
        """
        SELECT endpoint.id
          FROM ops.webhook_deliveries AS delivery
          JOIN ops.webhook_endpoints AS endpoint ON endpoint.id = delivery.endpoint_id
         WHERE delivery.id = $1 AND endpoint.disabled_at IS NOT NULL
        """,
        delivery_id,
    )
    return endpoint_id

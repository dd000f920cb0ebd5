"""The endpoints that webhooks are sent to, and what each of them is owed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from orderbus.errors import NotFound
from orderbus.storage import rows
from orderbus.storage.database import Connection


@dataclass(frozen=True, slots=True)
class OwedDelivery:
    """A delivery that an endpoint did not get yet, with its order and its last attempt."""

    delivery_id: int
    external_ref: str
    order_id: UUID
    sequence: int
    state: str
    attempts: int
    occurred_at: datetime
    due_at: datetime
    last_status: int | None
    last_error: str | None


async def add(  # noqa: PLR0913 - the columns of one row
    connection: Connection,
    *,
    url: str,
    secrets: Sequence[str],
    format: str,  # noqa: A002 - the column's name
    ordering: str,
    events: Sequence[str],
    headers: Mapping[str, str] = MappingProxyType({}),
    trace: bool = False,
    built_in: bool = False,
) -> UUID:
    """Add an endpoint; it is owed every event of these types that comes back from now on."""
    return await connection.fetchval(
        """
        INSERT INTO ops.webhook_endpoints
               (url, secrets, format, ordering, events, headers, trace, built_in)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        RETURNING id
        """,
        url,
        secrets,
        format,
        ordering,
        events,
        dict(headers),
        trace,
        built_in,
    )


async def get_secret(connection: Connection, endpoint_id: UUID) -> str:
    """Show the secret an endpoint's receiver verifies with. Raises ``NotFound``."""
    secret: str | None = await connection.fetchval(
        "SELECT secrets[1] FROM ops.webhook_endpoints WHERE id = $1 AND removed_at IS NULL",
        endpoint_id,
    )
    if secret is None:
        raise NotFound(f"No endpoint {endpoint_id}")
    return secret


async def remove(connection: Connection, endpoint_id: UUID) -> None:
    """Begin no more attempts at an endpoint; ``owed.skip`` does the rest. Raises ``NotFound``."""
    status = await connection.execute(
        "UPDATE ops.webhook_endpoints SET removed_at = now() WHERE id = $1 AND removed_at IS NULL",
        endpoint_id,
    )
    if status == "UPDATE 0":
        raise NotFound(f"No endpoint {endpoint_id}")


async def disable(
    connection: Connection, endpoint_id: UUID, *, reason: str, delivery_id: int, lease: UUID
) -> bool:
    """Hold what an endpoint is owed until a person enables it, if the lease is still ours.

    Returns false where it is not, or where the endpoint is disabled already. Raises ``Busy`` where
    somebody else holds the endpoint: it may answer 410 to many at once, and they would take every
    connection from all others while they wait.
    """
    status = await connection.execute(
        """
        UPDATE ops.webhook_endpoints
           SET disabled_at = now(), disabled_reason = $2
         WHERE id = (SELECT id FROM ops.webhook_endpoints
                      WHERE id = $1 FOR NO KEY UPDATE NOWAIT)
           AND disabled_at IS NULL
           AND EXISTS (SELECT FROM ops.webhook_deliveries WHERE id = $3 AND lease = $4)
        """,
        endpoint_id,
        reason,
        delivery_id,
        lease,
    )
    return status == "UPDATE 1"


async def list_owed(
    connection: Connection, endpoint_id: UUID, *, at_most: int
) -> list[OwedDelivery]:
    """List what an endpoint is owed, the next one first, with its order."""
    records = await connection.fetch(
        """
        SELECT delivery.id AS delivery_id, orders.external_ref, orders.public_id, delivery.sequence,
               CASE WHEN endpoint.disabled_at IS NULL THEN delivery.state ELSE 'held' END AS state,
               delivery.attempts, delivery.occurred_at,
               CASE WHEN delivery.due_at < 'infinity' THEN delivery.due_at END AS due_at,
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
    return rows.many(OwedDelivery, records)


async def holding(connection: Connection, delivery_id: int) -> UUID | None:
    """Name the disabled endpoint that a delivery waits for; None where it may go."""
    return await connection.fetchval(
        """
        SELECT endpoint.id
          FROM ops.webhook_deliveries AS delivery
          JOIN ops.webhook_endpoints AS endpoint ON endpoint.id = delivery.endpoint_id
         WHERE delivery.id = $1 AND endpoint.disabled_at IS NOT NULL
        """,
        delivery_id,
    )

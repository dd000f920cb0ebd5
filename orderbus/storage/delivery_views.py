"""What a delivery shows: whose order and which endpoint, how far it is, and every attempt at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from orderbus.errors import NotFound
from orderbus.storage import rows
from orderbus.storage.database import Connection

State = Literal["pending", "held", "delivered", "dead", "skipped"]
STATES: Final[tuple[State, ...]] = ("pending", "held", "delivered", "dead", "skipped")


@dataclass(frozen=True, slots=True)
class Delivery:
    """What an endpoint is owed or has got: one event, how far it is, and its last attempt.

    ``due_at`` is None where it waits: for ``waits_for``, the first of its order's line, or where
    that is None too, for an earlier event to come back. ``decided_by`` skipped it, or had it sent
    once more since ``resent_at``, and ``decided_reason`` says why.
    """

    id: int
    state: State
    external_ref: str | None
    order_id: UUID | None
    sequence: int
    type: str | None
    event_id: UUID
    endpoint_id: UUID
    url: str
    attempts: int
    last_status: int | None
    last_error: str | None
    occurred_at: datetime
    created_at: datetime
    due_at: datetime | None
    waits_for: int | None
    under_way_until: datetime | None
    settled_at: datetime | None
    decided_by: str | None
    decided_reason: str | None
    resent_at: datetime | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One POST to the endpoint, and the beginning of what it answered."""

    number: int
    started_at: datetime
    finished_at: datetime | None
    outcome: str | None
    status: int | None
    error: str | None
    detail: str | None
    address: str | None
    duration_ms: float | None
    head: bytes | None


#: The last attempt at a ``delivery``.
LAST: Final = """
    LEFT JOIN LATERAL (
         SELECT status, error, started_at
           FROM ops.webhook_attempts
          WHERE delivery_id = delivery.id
          ORDER BY number DESC
          LIMIT 1) AS last ON true
"""
_SHOWN: Final = f"""
    SELECT delivery.id, orders.external_ref, orders.public_id, delivery.sequence, history.type,
           delivery.event_id, delivery.endpoint_id, url, attempts, occurred_at,
           delivery.created_at, settled_at, decided_by, decided_reason, resent_at,
           last.status AS last_status, last.error AS last_error,
           CASE WHEN state IN ('pending', 'held') AND due_at < 'infinity' THEN due_at END AS due_at,
           CASE WHEN due_at = 'infinity' AND state IN ('pending', 'held') THEN (
                SELECT earlier.id
                  FROM ops.webhook_deliveries AS earlier
                 WHERE earlier.order_id = delivery.order_id
                   AND earlier.endpoint_id = delivery.endpoint_id
                   AND earlier.sequence < delivery.sequence
                   AND earlier.state IN ('pending', 'held')  -- deliveries_in_line
                 ORDER BY earlier.sequence
                 LIMIT 1) END AS waits_for,
           CASE WHEN leased_until > now() THEN leased_until END AS under_way_until,
           CASE WHEN state IN ('pending', 'held')
                THEN CASE WHEN disabled_at IS NULL THEN 'pending' ELSE 'held' END
                ELSE state END AS state
      FROM unnest($1::bigint[]) WITH ORDINALITY AS listed (id, place)
     CROSS JOIN LATERAL (SELECT * FROM ops.webhook_deliveries
                          WHERE id = listed.id LIMIT 1) AS delivery
      JOIN ops.webhook_endpoints AS endpoint ON endpoint.id = delivery.endpoint_id
      LEFT JOIN LATERAL (SELECT external_ref, public_id FROM orders.orders
                          WHERE id = delivery.order_id LIMIT 1) AS orders ON true
      LEFT JOIN LATERAL (SELECT type FROM orders.order_history
                          WHERE order_id = delivery.order_id AND sequence = delivery.sequence
                          LIMIT 1) AS history ON true
           {LAST}
     ORDER BY place
"""  # noqa: S608 - constants of ours


async def show(connection: Connection, ids: Sequence[int]) -> list[Delivery]:
    """Show these deliveries, in this order; one that is gone meanwhile is left out."""
    return rows.many(Delivery, await connection.fetch(_SHOWN, ids))


async def get(connection: Connection, delivery_id: int) -> Delivery:
    """Show a delivery. Raises ``NotFound``."""
    for found in await show(connection, [delivery_id]):
        return found
    raise NotFound(f"No delivery {delivery_id}")


async def list_attempts(connection: Connection, delivery_id: int) -> list[Attempt]:
    """List every attempt at a delivery, the first one first."""
    records = await connection.fetch(
        """
        SELECT number, started_at, finished_at, outcome, status, error, detail, address, head,
               round(1000 * extract(epoch FROM finished_at - started_at), 1)::float AS duration_ms
          FROM ops.webhook_attempts
         WHERE delivery_id = $1
         ORDER BY number
        """,
        delivery_id,
    )
    return rows.many(Attempt, records)

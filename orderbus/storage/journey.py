"""The journey of one order: every event, publication, consumption, delivery and attempt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final
from uuid import UUID

from pydantic import TypeAdapter, WithJsonSchema

from orderbus.domain.orders import OrderId
from orderbus.errors import NotFound
from orderbus.storage import rows
from orderbus.storage.database import Connection

#: A moment as PostgreSQL writes it into JSON.
Moment = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One POST to an endpoint."""

    number: int
    started_at: Moment
    finished_at: Moment | None
    outcome: str | None
    status: int | None
    error: str | None
    detail: str | None
    address: str | None
    duration_ms: float | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of an event at one endpoint.

    ``decided_by`` skipped it, or had it sent once more since ``resent_at``.
    """

    id: int
    endpoint: UUID
    url: str
    disabled_at: Moment | None
    disabled_reason: str | None
    state: str
    due_at: Moment | None
    delivered_at: Moment | None
    decided_by: str | None
    decided_reason: str | None
    resent_at: Moment | None
    attempts: Sequence[Attempt]


@dataclass(frozen=True, slots=True)
class Consumption:
    """What became of an event at one consumer."""

    consumer: str
    state: str
    attempts: int
    error: str | None
    settled_at: Moment | None


@dataclass(frozen=True, slots=True)
class JourneyEvent:
    """One event of the order, and how far it came."""

    event_id: UUID
    type: str
    sequence: int
    actor: str
    details: Mapping[str, str]
    occurred_at: Moment
    state: str
    publishes: int | None
    message_id: str | None
    published_at: Moment | None
    received_at: Moment | None
    consumptions: Sequence[Consumption]
    deliveries: Sequence[Delivery]


@dataclass(frozen=True, slots=True)
class Journey:
    """Every hop of every event of an order."""

    order_id: OrderId
    external_ref: str
    events: Sequence[JourneyEvent]


_READ_EVENTS: Final = TypeAdapter(Sequence[JourneyEvent]).validate_python
_ATTEMPTS: Final = """
    SELECT number, started_at, finished_at, outcome, status, error, detail, address,
           round(1000 * extract(epoch FROM finished_at - started_at), 1) AS duration_ms
      FROM ops.webhook_attempts
     WHERE delivery_id = delivery.id
"""
_DELIVERIES: Final = f"""
    SELECT delivery.id, endpoint_id AS endpoint, url, disabled_at, disabled_reason,
           decided_by, decided_reason, resent_at,
           CASE WHEN due_at < 'infinity' THEN due_at END AS due_at,
           CASE WHEN state = 'pending' AND disabled_at IS NOT NULL THEN 'held'
                ELSE state END AS state,
           CASE WHEN state = 'delivered' THEN settled_at END AS delivered_at,
           ARRAY(SELECT to_jsonb(attempt) FROM ({_ATTEMPTS}) AS attempt ORDER BY number) AS attempts
      FROM ops.webhook_deliveries AS delivery
      JOIN ops.webhook_endpoints AS endpoint ON endpoint.id = endpoint_id
     WHERE event_id = h.event_id
"""  # noqa: S608 - a constant of ours
_CONSUMPTIONS: Final = """
    SELECT consumer, state, attempts, error, settled_at
      FROM ops.consumptions
     WHERE event_id = h.event_id
"""
_EVENTS: Final = f"""
    SELECT h.event_id, h.type, h.sequence, h.actor, h.details, h.at AS occurred_at,
           CASE WHEN i.event_id IS NOT NULL THEN 'returned'
                WHEN p.parked_at IS NOT NULL THEN 'parked'
                WHEN p.published_at IS NOT NULL THEN 'published'
                WHEN p.event_id IS NOT NULL THEN 'unpublished'
                ELSE 'archived' END AS state,
           coalesce(i.publishes, p.publishes) AS publishes,
           coalesce(i.message_id, p.message_id) AS message_id,
           coalesce(i.published_at, p.published_at) AS published_at,
           i.received_at,
           ARRAY(SELECT to_jsonb(c) FROM ({_CONSUMPTIONS}) AS c ORDER BY consumer) AS consumptions,
           ARRAY(SELECT to_jsonb(d) FROM ({_DELIVERIES}) AS d ORDER BY id) AS deliveries
      FROM orders.order_history AS h
      LEFT JOIN ops.inbox AS i ON i.occurred_at = h.at AND i.event_id = h.event_id
      LEFT JOIN ops.outbox AS p ON p.event_id = h.event_id
     WHERE h.order_id = o.id
"""  # noqa: S608 - as above


async def get(connection: Connection, order_id: OrderId) -> Journey:
    """Show the journey of an order; raises ``NotFound``."""
    record = await connection.fetchrow(
        f"""
        SELECT public_id, external_ref,
               ARRAY(SELECT to_jsonb(event) FROM ({_EVENTS}) AS event ORDER BY sequence) AS events
          FROM orders.orders AS o
         WHERE public_id = $1
        """,  # noqa: S608 - as above
        order_id,
    )
    if record is None:
        raise NotFound(f"No order {order_id}")
    return rows.one(Journey, record, events=_READ_EVENTS(record["events"]))

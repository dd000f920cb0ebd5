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
    """What became of an event at one endpoint."""

    id: int
    endpoint: UUID
    url: str
    disabled_at: Moment | None
    disabled_reason: str | None
    state: str
    due_at: Moment
    delivered_at: Moment | None
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


_EVENTS: Final = TypeAdapter(Sequence[JourneyEvent])


_JOURNEY: Final = """
    SELECT o.public_id, o.external_ref, (
            SELECT jsonb_agg(jsonb_build_object(
                       'event_id', h.event_id,
                       'type', h.type,
                       'sequence', h.sequence,
                       'actor', h.actor,
                       'details', h.details,
                       'occurred_at', h.at,
                       'state', CASE WHEN i.event_id IS NOT NULL THEN 'returned'
                                     WHEN p.parked_at IS NOT NULL THEN 'parked'
                                     WHEN p.published_at IS NOT NULL THEN 'published'
                                     WHEN p.event_id IS NOT NULL THEN 'unpublished'
                                     ELSE 'archived' END,
                       'publishes', coalesce(i.publishes, p.publishes),
                       'message_id', coalesce(i.message_id, p.message_id),
                       'published_at', coalesce(i.published_at, p.published_at),
                       'received_at', i.received_at,
                       'consumptions', coalesce(c.consumptions, '[]'),
                       'deliveries', coalesce(d.deliveries, '[]'))
                       ORDER BY h.sequence)
              FROM orders.order_history h
              LEFT JOIN ops.inbox i
                ON i.occurred_at = h.at AND i.event_id = h.event_id
              LEFT JOIN ops.outbox p ON p.event_id = h.event_id
              LEFT JOIN LATERAL (
                   SELECT jsonb_agg(jsonb_build_object(
                              'consumer', consumption.consumer,
                              'state', consumption.state,
                              'attempts', consumption.attempts,
                              'error', consumption.error,
                              'settled_at', consumption.settled_at)
                              ORDER BY consumption.consumer) AS consumptions
                     FROM ops.consumptions consumption
                    WHERE consumption.event_id = h.event_id) AS c ON true
              LEFT JOIN LATERAL (
                   SELECT jsonb_agg(jsonb_build_object(
                              'id', delivery.id,
                              'endpoint', delivery.endpoint_id,
                              'url', endpoint.url,
                              'disabled_at', endpoint.disabled_at,
                              'disabled_reason', endpoint.disabled_reason,
                              'state', CASE WHEN delivery.state = 'pending'
                                             AND endpoint.disabled_at IS NOT NULL
                                            THEN 'held' ELSE delivery.state END,
                              'due_at', delivery.due_at,
                              'delivered_at', CASE WHEN delivery.state = 'delivered'
                                                   THEN delivery.settled_at END,
                              'attempts', coalesce(a.attempts, '[]'))
                              ORDER BY delivery.id) AS deliveries
                     FROM ops.webhook_deliveries delivery
                     JOIN ops.webhook_endpoints endpoint
                       ON endpoint.id = delivery.endpoint_id
                     LEFT JOIN LATERAL (
                          SELECT jsonb_agg(jsonb_build_object(
                                     'number', attempt.number,
                                     'started_at', attempt.started_at,
                                     'finished_at', attempt.finished_at,
                                     'outcome', attempt.outcome,
                                     'status', attempt.status,
                                     'error', attempt.error,
                                     'detail', attempt.detail,
                                     'address', attempt.address,
                                     'duration_ms', round(1000 * extract(epoch FROM
                                         attempt.finished_at - attempt.started_at), 1))
                                     ORDER BY attempt.number) AS attempts
                            FROM ops.webhook_attempts attempt
                           WHERE attempt.delivery_id = delivery.id) AS a ON true
                    WHERE delivery.event_id = h.event_id) AS d ON true
             WHERE h.order_id = o.id) AS events
      FROM orders.orders o
     WHERE o.public_id = $1
"""


async def get(connection: Connection, order_id: OrderId) -> Journey:
    """Show the journey of an order; raises ``NotFound``."""
    record = await connection.fetchrow(
        _JOURNEY,
        order_id,
    )
    if record is None:
        raise NotFound(f"No order {order_id}")
    return rows.one(Journey, record, events=_EVENTS.validate_python(record["events"]))

"""What became of one order: every event, publication, consumption, delivery, attempt."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from orderbus.errors import NotFound
from orderbus.storage.database import Connection


async def get(connection: Connection, public_id: UUID) -> dict[str, Any]:
    """Tell the whole way of an order, hop by hop. Raises ``NotFound``."""
    journey: dict[str, Any] | None = await connection.fetchval(
        """
        SELECT jsonb_build_object(
                   'id', o.public_id,
                   'order_id', o.public_id,
                   'external_ref', o.external_ref,
                   'events', (
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
                        WHERE h.order_id = o.id))
          FROM orders.orders o
         WHERE o.public_id = $1
        """,
        public_id,
    )
    if journey is None:
        raise NotFound(f"No order {public_id}")
    return journey

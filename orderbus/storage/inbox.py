"""Which events have come back from Pub/Sub, and how far without a gap?

The three functions belong into one transaction, in this order: the watermarks' locks come first,
so that two bridges that hold events of the same order see each other's inbox rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from orderbus.storage.database import Connection


@dataclass(frozen=True, slots=True)
class Returned:
    """One event that came back: which, and what Pub/Sub says of its message.

    ``message_id`` and ``published_at`` are None where an operator lets its order pass over it.
    """

    event_id: UUID
    occurred_at: datetime
    message_id: str | None
    published_at: datetime | None


async def lock_watermarks(connection: Connection, returned: Sequence[Returned]) -> set[UUID]:
    """Lock the watermarks of the orders concerned; returns the ids of the events we know."""
    rows = await connection.fetch(
        """
        WITH known AS (
            SELECT events.event_id, events.order_id
              FROM unnest($1::timestamptz[], $2::uuid[]) AS came (occurred_at, event_id)
              JOIN ops.events USING (occurred_at, event_id)
        ), locked AS (
            INSERT INTO ops.watermarks (order_id)
            SELECT DISTINCT order_id FROM known ORDER BY order_id
            ON CONFLICT (order_id) DO UPDATE SET sequence = watermarks.sequence
        )
        SELECT event_id FROM known
        """,
        [event.occurred_at for event in returned],
        [event.event_id for event in returned],
    )
    return {row["event_id"] for row in rows}


async def add(connection: Connection, returned: Sequence[Returned]) -> list[datetime]:
    """Record events in the inbox once, with one delivery per endpoint; delete their pointers.

    Returns when each event that was new had happened; one that is in the inbox already changes
    nothing but its pointer.
    """
    rows = await connection.fetch(
        """
        WITH came AS (
            SELECT events.event_id, events.occurred_at, events.order_id, events.sequence,
                   came.message_id, came.published_at
              FROM unnest($1::timestamptz[], $2::uuid[], $3::text[], $4::timestamptz[])
                   AS came (occurred_at, event_id, message_id, published_at)
              JOIN ops.events USING (occurred_at, event_id)
        ), returned AS (
            DELETE FROM ops.outbox
             WHERE event_id = ANY ($2::uuid[])
            RETURNING event_id, publishes
        ), new AS (
            INSERT INTO ops.inbox
                   (event_id, occurred_at, order_id, sequence, message_id, published_at, publishes)
            SELECT came.event_id, occurred_at, order_id, sequence, message_id, published_at,
                   CASE WHEN message_id IS NULL THEN coalesce(publishes, 0)
                        ELSE greatest(publishes, 1) END
              FROM came
              LEFT JOIN returned USING (event_id)
            ON CONFLICT DO NOTHING
            RETURNING event_id, occurred_at, order_id, sequence, message_id
        ), owed AS (
            INSERT INTO ops.webhook_deliveries
                   (endpoint_id, event_id, occurred_at, order_id, sequence, state)
            SELECT endpoints.id, new.event_id, new.occurred_at, new.order_id, new.sequence,
                   CASE WHEN endpoints.disabled_at IS NULL THEN 'pending' ELSE 'held' END
              FROM new
             CROSS JOIN ops.webhook_endpoints AS endpoints
             WHERE endpoints.removed_at IS NULL
               AND new.message_id IS NOT NULL
             ORDER BY new.order_id, new.sequence
            ON CONFLICT DO NOTHING
        )
        SELECT occurred_at FROM new
        """,
        [event.occurred_at for event in returned],
        [event.event_id for event in returned],
        [event.message_id for event in returned],
        [event.published_at for event in returned],
    )
    return [row["occurred_at"] for row in rows]


async def advance_watermarks(
    connection: Connection, returned: Sequence[Returned]
) -> list[int]:
    """Move the watermarks over what came back without a gap.

    Returns the deliveries that may go now, noted as hinted: at or below the watermark, and the
    head of their order's line at their endpoint.
    """
    rows = await connection.fetch(
        """
        WITH concerned AS (
            SELECT DISTINCT watermarks.order_id, watermarks.sequence
              FROM unnest($1::timestamptz[], $2::uuid[]) AS came (occurred_at, event_id)
              JOIN ops.events USING (occurred_at, event_id)
              JOIN ops.watermarks USING (order_id)
        ), reached AS (
            -- Sequences are whole and distinct, so a run without a gap keeps its distance to its rank.
            SELECT order_id, max(sequence) AS sequence
              FROM (SELECT inbox.order_id, inbox.sequence,
                           inbox.sequence - concerned.sequence
                           - row_number() OVER (PARTITION BY order_id ORDER BY inbox.sequence) AS gap
                      FROM concerned
                      JOIN ops.inbox USING (order_id)
                     WHERE inbox.sequence > concerned.sequence) AS later
             WHERE gap = 0
             GROUP BY order_id
        ), moved AS (
            UPDATE ops.watermarks
               SET sequence = reached.sequence
              FROM reached
             WHERE watermarks.order_id = reached.order_id
            RETURNING watermarks.order_id, watermarks.sequence
        )
        UPDATE ops.webhook_deliveries AS delivery
           SET hinted_at = now()
          FROM concerned
          LEFT JOIN moved USING (order_id)
         WHERE delivery.order_id = concerned.order_id
           AND delivery.state = 'pending'
           AND delivery.lease IS NULL
           AND delivery.due_at <= now()
           -- ops.may_go would still see the watermarks as they were before this statement.
           AND (delivery.sequence <= coalesce(moved.sequence, concerned.sequence)
                AND ops.is_head(delivery)
                OR ops.gave_order_up(delivery))
        RETURNING delivery.id
        """,
        [event.occurred_at for event in returned],
        [event.event_id for event in returned],
    )
    return [row["id"] for row in rows]

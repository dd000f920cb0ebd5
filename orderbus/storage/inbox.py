"""The events that have come back from Pub/Sub, and how far each order's have without a gap.

``hold`` and ``add`` follow one another in one transaction: of two bridges that hold events of the
same order, one records them and the other leaves its own for later. Neither waits for the other.

A watermark is a cache of what the order's history and the inbox say. It is missing before an
order's first event comes back, and again once none of its events is kept; then it is restored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from orderbus.storage.database import Connection

#: How long a batch waits for a pointer that somebody else has locked; a relay needs milliseconds.
_PATIENCE: Final = "500ms"


@dataclass(frozen=True, slots=True)
class Returned:
    """One event that came back: which, and what Pub/Sub says of its message.

    ``message_id`` and ``published_at`` are None where an operator lets its order pass over it.
    """

    event_id: UUID
    occurred_at: datetime
    message_id: str | None
    published_at: datetime | None


@dataclass(frozen=True, slots=True)
class Known:
    """An event that came back and is one of ours, with its place in its order.

    ``held`` says whether the watermark of its order is locked for us.
    """

    returned: Returned
    order_pk: int
    sequence: int
    type: str
    held: bool


@dataclass(frozen=True, slots=True)
class Recorded:
    """What came of recording events: how many were new, and what they mean for the consumers.

    ``due`` are the deliveries that may go. In the orders of ``waiting`` others may have to be let
    go: see ``storage.sequencing.begin``.
    """

    new: int
    due: Sequence[int]
    waiting: Sequence[int]
    consumptions: Mapping[str, int]


_HISTORY: Final = "(SELECT *, at AS occurred_at FROM orders.order_history)"
_HOLD: Final = """
    WITH known AS (
        SELECT event_id, occurred_at, kept.order_id, kept.sequence, kept.type
          FROM unnest($1::timestamptz[], $2::uuid[]) AS came (at, id)
         CROSS JOIN LATERAL (
                SELECT * FROM {kept} AS one
                 WHERE occurred_at = came.at AND event_id = came.id
                 LIMIT 1) AS kept
    ), there AS (
        SELECT watermark.order_id
          FROM (SELECT DISTINCT order_id FROM known ORDER BY order_id) AS concerned
         CROSS JOIN LATERAL (
                SELECT order_id FROM ops.watermarks
                 WHERE order_id = concerned.order_id
                   AND (SELECT set_config('lock_timeout', $3, true)) IS NOT NULL
                   FOR UPDATE SKIP LOCKED) AS watermark
    ), missing AS MATERIALIZED (
        SELECT order_id, min(sequence) AS earliest, max(sequence) AS latest, count(*) AS events,
               max((occurred_at AT TIME ZONE 'UTC')::date) AS day
          FROM known
          LEFT JOIN LATERAL (
               SELECT true AS found FROM ops.watermarks WHERE order_id = known.order_id
                LIMIT 1) AS watermark ON true
         WHERE found IS NULL
         GROUP BY order_id
    ), made AS (
        -- One that another transaction is making is left to it: nobody waits for that.
        INSERT INTO ops.watermarks (order_id, sequence, day)
        SELECT order_id,
               CASE WHEN earliest > 1 THEN ops.watermark_of(order_id)
                    WHEN latest = events THEN latest ELSE 0 END, day
          FROM missing
         WHERE pg_try_advisory_xact_lock(order_id)
        ON CONFLICT DO NOTHING
        RETURNING order_id
    )
    SELECT event_id, occurred_at, order_id, sequence, type,
           order_id IN (SELECT order_id FROM there UNION ALL SELECT order_id FROM made) AS held
      FROM known
"""


async def hold(
    connection: Connection, returned: Sequence[Returned], *, without_payload: bool = False
) -> list[Known]:
    """Keep the events we know, and lock the watermarks of their orders, each once.

    Missing ones are made or restored, and those of new orders stand where these events take them:
    what is held has to be recorded in the same transaction. Another process is at work on the other
    orders, or stands still: their events come again. Nobody waits here, and for whatever else this
    transaction waits, it waits for ``_PATIENCE`` at most. ``without_payload`` keeps those whose
    payload is gone, and of which the history alone knows.
    """
    once = {(event.occurred_at, event.event_id): event for event in returned}
    rows = await connection.fetch(
        _HOLD.format(kept=_HISTORY if without_payload else "ops.events"),
        [occurred_at for occurred_at, _ in once],
        [event_id for _, event_id in once],
        _PATIENCE,
    )
    return [
        Known(once[occurred_at, event_id], order_pk, sequence, type_, held)
        for event_id, occurred_at, order_pk, sequence, type_, held in rows
    ]


_ADD: Final = """
    WITH came AS (
        SELECT *
          FROM unnest($1::uuid[], $2::timestamptz[], $3::bigint[], $4::bigint[], $5::text[],
                      $6::timestamptz[], $7::text[])
               AS came (event_id, occurred_at, order_id, sequence, message_id, published_at,
                        type)
    ), types AS (
        -- Far fewer than events, and ops.fits costs more than all else.
        SELECT DISTINCT type FROM came
    ), endpoints AS MATERIALIZED (
        SELECT id, type, ordering = 'none' AS unordered, disabled_at IS NULL AS awake
          FROM types
          JOIN ops.webhook_endpoints ON removed_at IS NULL AND ops.fits(type, events)
    ), consumers AS MATERIALIZED (
        SELECT name, type
          FROM types
          JOIN unnest($8::text[], $9::text[]) AS consumers (name, pattern)
            ON ops.fits(type, ARRAY[pattern])
    ), returned AS (
        DELETE FROM ops.outbox
         WHERE event_id = ANY (ARRAY(
               SELECT pointer.event_id
                 FROM (SELECT event_id FROM came ORDER BY event_id) AS batch
                CROSS JOIN LATERAL (
                       SELECT event_id FROM ops.outbox
                        WHERE event_id = batch.event_id
                          FOR UPDATE) AS pointer))
        RETURNING event_id, publishes
    ), new AS (
        INSERT INTO ops.inbox
               (event_id, occurred_at, order_id, sequence, message_id, published_at, publishes)
        SELECT came.event_id, occurred_at, order_id, sequence, message_id, published_at,
               CASE WHEN message_id IS NULL THEN coalesce(publishes, 0)
                    ELSE greatest(publishes, 1) END
          FROM came
          LEFT JOIN returned USING (event_id)
         WHERE $10
        ON CONFLICT DO NOTHING
        RETURNING event_id, occurred_at, order_id, sequence, message_id
    ), concerned AS (
        SELECT watermark.*
          FROM (SELECT DISTINCT order_id FROM came) AS orders
         CROSS JOIN LATERAL (
                SELECT order_id, sequence FROM ops.watermarks
                 WHERE order_id = orders.order_id
                 LIMIT 1) AS watermark
    ), here AS (
        SELECT order_id, sequence FROM came
         UNION
        SELECT early.*
          FROM concerned
         CROSS JOIN LATERAL (
                SELECT order_id, sequence FROM ops.early_events
                 WHERE order_id = concerned.order_id
                OFFSET 0) AS early
    ), reached AS (
        -- Sequences are whole and distinct, so what follows without a gap keeps its distance
        -- to the watermark equal to its rank.
        SELECT order_id, max(sequence) AS sequence
          FROM (SELECT here.order_id, here.sequence,
                       here.sequence - concerned.sequence
                       - row_number() OVER (PARTITION BY order_id ORDER BY here.sequence) AS gap
                  FROM concerned
                  JOIN here USING (order_id)
                 WHERE here.sequence > concerned.sequence) AS later
         WHERE gap = 0
         GROUP BY order_id
    ), moved AS (
        UPDATE ops.watermarks
           SET sequence = reached.sequence
          FROM reached
         WHERE watermarks.order_id = reached.order_id
        RETURNING watermarks.order_id, watermarks.sequence
    ), watermark AS (
        SELECT order_id, coalesce(moved.sequence, concerned.sequence) AS sequence
          FROM concerned
          LEFT JOIN moved USING (order_id)
    ), let_go AS (
        DELETE FROM ops.early_events AS early
         USING watermark
         WHERE early.order_id = watermark.order_id AND early.sequence <= watermark.sequence
           AND early.order_id = ANY (ARRAY(SELECT order_id FROM watermark))
        RETURNING early.order_id
    ), too_early AS (
        INSERT INTO ops.early_events (order_id, sequence)
        SELECT came.order_id, came.sequence
          FROM came
          JOIN watermark USING (order_id) WHERE came.sequence > watermark.sequence
        ON CONFLICT DO NOTHING
    ), lines AS (
        SELECT endpoints.id AS endpoint_id, new.*, unordered,
               new.sequence <= watermark.sequence
               AND row_number() OVER (PARTITION BY endpoints.id, new.order_id
                                      ORDER BY new.sequence) = 1 AS first
          FROM new
          JOIN came USING (event_id)
          JOIN endpoints USING (type)
          JOIN watermark ON watermark.order_id = new.order_id
         WHERE new.message_id IS NOT NULL
    ), owed AS (
        INSERT INTO ops.webhook_deliveries
               (endpoint_id, event_id, occurred_at, order_id, sequence, due_at)
        SELECT endpoint_id, event_id, occurred_at, lines.order_id, sequence,
               CASE WHEN unordered OR first AND earlier IS NULL THEN now() ELSE 'infinity' END
          FROM lines
          LEFT JOIN LATERAL (
               SELECT true AS earlier
                 FROM ops.webhook_deliveries AS delivery
                WHERE delivery.order_id = lines.order_id
                  AND delivery.endpoint_id = lines.endpoint_id
                  AND delivery.sequence < lines.sequence
                  AND state IN ('pending', 'held')  -- deliveries_in_line
                LIMIT 1) AS open ON first
         ORDER BY lines.order_id, sequence
        ON CONFLICT DO NOTHING
        RETURNING id, endpoint_id, order_id, due_at = 'infinity' AS waits
    ), wanted AS (
        INSERT INTO ops.consumptions (consumer, event_id, occurred_at)
        SELECT consumers.name, new.event_id, new.occurred_at
          FROM new
          JOIN came USING (event_id)
          JOIN consumers USING (type)
         WHERE new.message_id IS NOT NULL
        ON CONFLICT DO NOTHING
        RETURNING consumer
    )
    SELECT (SELECT count(*) FROM new) AS new,
           ARRAY(SELECT id
                   FROM owed
                  WHERE NOT waits AND endpoint_id IN (SELECT id FROM endpoints WHERE awake)
                  ORDER BY id) AS due,
           -- Whoever settles a first one that is added here sees who waits for it.
           ARRAY(SELECT order_id FROM let_go
                  UNION
                 SELECT order_id
                   FROM owed
                  GROUP BY order_id, endpoint_id HAVING bool_and(waits)) AS waiting,
           (SELECT jsonb_object_agg(consumer, count)
              FROM (SELECT consumer, count(*) FROM wanted GROUP BY consumer) AS each)
               AS consumptions
"""


async def add(
    connection: Connection, known: Sequence[Known], *, wanted: Mapping[str, str], keep: bool = True
) -> Recorded:
    """Record events in the inbox once, with what is owed for them; delete their pointers.

    One delivery per endpoint, one consumption per consumer that wants it: ``wanted`` gives their
    patterns of types. Of an event that is in the inbox already only the pointer is changed. Without
    ``keep`` nothing is recorded and nothing owed: their orders go on without these events.
    """
    (row,) = await connection.fetch(
        _ADD,
        [event.returned.event_id for event in known],
        [event.returned.occurred_at for event in known],
        [event.order_pk for event in known],
        [event.sequence for event in known],
        [event.returned.message_id for event in known],
        [event.returned.published_at for event in known],
        [event.type for event in known],
        list(wanted),
        list(wanted.values()),
        keep,
    )
    return Recorded(row["new"], row["due"], row["waiting"], row["consumptions"] or {})

"""The events that have come back from Pub/Sub, and how far each order's have without a gap.

``recognise``, ``lock_watermarks``, ``add`` and ``advance_watermarks`` follow one another in one
transaction: of two bridges that hold events of the same order, one records them and the other
leaves its own for later. Neither waits for the other.

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
    """An event that came back and is ours, with its place in its order."""

    returned: Returned
    order_pk: int
    sequence: int
    type: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """What came of recording events: how many were new, and what they mean for the consumers.

    ``unordered`` are the deliveries that may go whatever their order does.
    """

    new: int
    unordered: Sequence[int]
    consumptions: Mapping[str, int]


async def recognise(
    connection: Connection, returned: Sequence[Returned], *, without_payload: bool = False
) -> list[Known]:
    """Keep the events we know; make or restore the watermarks that their orders miss.

    ``without_payload`` keeps those whose payload is gone, and of which the history alone knows. A
    watermark that another transaction is making is left to it: nobody waits for a row that is not
    committed, and ``lock_watermarks`` does not see it.
    """
    history = "(SELECT *, at AS occurred_at FROM orders.order_history)"
    rows = await connection.fetch(
        f"""
        WITH known AS (
            SELECT event_id, occurred_at, kept.order_id, kept.sequence, kept.type
              FROM unnest($1::timestamptz[], $2::uuid[]) AS came (occurred_at, event_id)
              JOIN {history if without_payload else "ops.events"} AS kept
                   USING (occurred_at, event_id)
        ), missing AS MATERIALIZED (
            SELECT order_id, min(sequence) AS earliest,
                   max((occurred_at AT TIME ZONE 'UTC')::date) AS day
              FROM known
             WHERE NOT EXISTS (SELECT FROM ops.watermarks WHERE order_id = known.order_id)
             GROUP BY order_id
        ), added AS (
            INSERT INTO ops.watermarks (order_id, sequence, day)
            SELECT order_id,
                   CASE earliest WHEN 1 THEN 0 ELSE ops.watermark_of(order_id) END,
                   day
              FROM missing
             WHERE pg_try_advisory_xact_lock(order_id)
            ON CONFLICT DO NOTHING
        )
        SELECT event_id, order_id, sequence, type FROM known
        """,  # noqa: S608 - one of the two
        [event.occurred_at for event in returned],
        [event.event_id for event in returned],
    )
    place = {row["event_id"]: (row["order_id"], row["sequence"], row["type"]) for row in rows}
    return [Known(event, *place[event.event_id]) for event in returned if event.event_id in place]


async def lock_watermarks(connection: Connection, known: Sequence[Known]) -> list[Known]:
    """Lock the watermarks of these events' orders; returns the events of those we got.

    Another process is at work on the other orders, or stands still: their events come again.
    Whatever else this transaction waits for, it waits for ``_PATIENCE`` at most.
    """
    rows = await connection.fetch(
        """
        SELECT order_id
          FROM ops.watermarks
         WHERE order_id = ANY ($1::bigint[])
           AND (SELECT set_config('lock_timeout', $2, true)) IS NOT NULL
         ORDER BY order_id
           FOR UPDATE SKIP LOCKED
        """,
        [event.order_pk for event in known],
        _PATIENCE,
    )
    ours = {row["order_id"] for row in rows}
    return [event for event in known if event.order_pk in ours]


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
        SELECT id, type, CASE ordering WHEN 'none' THEN now() ELSE 'infinity' END AS due_at
          FROM types
          JOIN ops.webhook_endpoints ON removed_at IS NULL AND ops.fits(type, events)
    ), consumers AS MATERIALIZED (
        SELECT name, type
          FROM types
          JOIN unnest($8::text[], $9::text[]) AS consumers (name, pattern)
            ON ops.fits(type, ARRAY[pattern])
    ), returned AS (
        DELETE FROM ops.outbox
         WHERE event_id IN (SELECT event_id
                              FROM ops.outbox
                             WHERE event_id = ANY ($1::uuid[])
                             ORDER BY event_id
                               FOR UPDATE)
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
               (endpoint_id, event_id, occurred_at, order_id, sequence, due_at)
        SELECT endpoints.id, new.event_id, new.occurred_at, new.order_id, new.sequence,
               endpoints.due_at
          FROM new
          JOIN came USING (event_id)
          JOIN endpoints USING (type)
         WHERE new.message_id IS NOT NULL
         ORDER BY new.order_id, new.sequence
        ON CONFLICT DO NOTHING
        RETURNING id, due_at
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
           (SELECT coalesce(array_agg(id ORDER BY id), '{}')
              FROM owed WHERE due_at <= now()) AS unordered,
           (SELECT jsonb_object_agg(consumer, count)
              FROM (SELECT consumer, count(*) FROM wanted GROUP BY consumer) AS each)
               AS consumptions
"""


async def add(
    connection: Connection, known: Sequence[Known], *, wanted: Mapping[str, str]
) -> Recorded:
    """Record events in the inbox once, with what is owed for them; delete their pointers.

    One delivery per endpoint, one consumption per consumer that wants it: ``wanted`` gives their
    patterns of types. Of an event that is in the inbox already only the pointer is changed.
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
    )
    return Recorded(row["new"], row["unordered"], row["consumptions"] or {})


_ADVANCE: Final = """
    WITH came AS (
        SELECT DISTINCT order_id, sequence
          FROM unnest($1::bigint[], $2::bigint[]) AS came (order_id, sequence)
    ), concerned AS (
        SELECT order_id, watermarks.sequence
          FROM (SELECT DISTINCT order_id FROM came) AS orders
          JOIN ops.watermarks USING (order_id)
    ), here AS (
        SELECT order_id, sequence FROM came
         UNION
        SELECT early.order_id, early.sequence
          FROM concerned
          JOIN ops.early_events AS early USING (order_id)
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
    ), no_longer_early AS (
        DELETE FROM ops.early_events AS early
         USING watermark
         WHERE early.order_id = watermark.order_id AND early.sequence <= watermark.sequence
    )
    INSERT INTO ops.early_events (order_id, sequence)
    SELECT came.order_id, came.sequence
      FROM came
      JOIN watermark USING (order_id)
     WHERE came.sequence > watermark.sequence
    ON CONFLICT DO NOTHING
"""


async def advance_watermarks(connection: Connection, known: Sequence[Known]) -> None:
    """Move the watermarks over what came back without a gap; remember what came too early."""
    await connection.execute(
        _ADVANCE,
        [event.order_pk for event in known],
        [event.sequence for event in known],
    )

"""The events of the past that fit a consumer, and which of them it has not had.

The past is read in steps of bounded length, so no statement grows with what is kept: each begins
behind the last event of the one before, in the order in which the events happened.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from orderbus.storage import rows
from orderbus.storage.database import Connection


@dataclass(frozen=True, slots=True)
class Past:
    """What a consumer is given: the events between two moments whose types fit both patterns."""

    consumer: str
    pattern: str
    since: datetime
    before: datetime
    wanted: str = "*"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a step begins and ends: behind this event of the inbox."""

    occurred_at: datetime
    event_id: UUID


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of the past: what fits, what of it was new, and where it ended; None at the end."""

    events: int
    added: int
    until: Place | None


#: One step. The bounds of time say which partitions it may be in; the number is in the text, since
#: a plan that does not know it may prefer to read everything; each type is looked up, for the same
#: reason. Only what came back from Pub/Sub counts.
_READ: Final = """
    WITH read AS MATERIALIZED (
        SELECT occurred_at, event_id, message_id
          FROM ops.inbox
         WHERE (occurred_at, event_id) > ($3::timestamptz, $4::uuid)
           AND occurred_at >= $3 AND occurred_at < $5::timestamptz
         ORDER BY occurred_at, event_id
         LIMIT 2000
    ), fitting AS MATERIALIZED (
        SELECT read.occurred_at, read.event_id
          FROM read
         CROSS JOIN LATERAL (SELECT type
                               FROM ops.events
                              WHERE events.occurred_at = read.occurred_at
                                AND events.event_id = read.event_id
                              LIMIT 1) AS event
         WHERE read.message_id IS NOT NULL
           AND ops.fits(event.type, ARRAY[$2]) AND ops.fits(event.type, ARRAY[$7])
         ORDER BY read.occurred_at, read.event_id
         LIMIT $6
    ), ended AS (
        -- Behind what was given, where it may not be all of what was read that fits.
        SELECT occurred_at, event_id FROM read WHERE (SELECT count(*) FROM fitting) < $6
         UNION ALL
        SELECT occurred_at, event_id FROM fitting WHERE (SELECT count(*) FROM fitting) = $6
         ORDER BY occurred_at DESC, event_id DESC
         LIMIT 1
    )
"""
_GIVEN: Final = """
    INSERT INTO ops.consumptions (consumer, event_id, occurred_at)
    SELECT $1, event_id, occurred_at FROM fitting ORDER BY occurred_at, event_id
    ON CONFLICT DO NOTHING
    RETURNING 1
"""
_MISSING: Final = """
    SELECT 1
      FROM fitting
     WHERE (SELECT count(*) FROM ops.consumptions
             WHERE event_id = fitting.event_id AND consumer = $1) = 0
"""


async def give(connection: Connection, past: Past, after: Place, *, at_most: int) -> Chunk:
    """Give a consumer the next ``at_most`` events that fit, oldest first, but for those it had."""
    return await _step(connection, _GIVEN, past, after, at_most)


async def count(connection: Connection, past: Past, after: Place) -> Chunk:
    """Count what ``give`` would give of the next events: ``added`` says how many it has not had."""
    return await _step(connection, _MISSING, past, after, 2000)


async def _step(
    connection: Connection, added: str, past: Past, after: Place, at_most: int
) -> Chunk:
    (record,) = await connection.fetch(
        f"""
        {_READ}, added AS ({added})
        SELECT (SELECT count(*) FROM fitting) AS events,
               (SELECT count(*) FROM added) AS added,
               ended.occurred_at, ended.event_id
          FROM (SELECT) AS always
          LEFT JOIN ended ON true
        """,  # noqa: S608 - constants of ours
        past.consumer,
        past.pattern,
        after.occurred_at,
        after.event_id,
        past.before,
        at_most,
        past.wanted,
    )
    until = None if record["event_id"] is None else rows.one(Place, record)
    return rows.one(Chunk, record, until=until)

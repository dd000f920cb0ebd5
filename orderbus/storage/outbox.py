"""The pointers at events that still have to go out, or went out and did not come back.

A pointer is due (``due_at`` is past), leased (``due_at`` lies ahead), on its way back (published,
``due_at`` infinite) or parked (never due until a person says so). It is deleted when its event
comes back through the bridge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from asyncpg import Record

from orderbus.domain.events import Event, rfc3339
from orderbus.storage.database import Connection

#: The part of a statement that finds the event of each row that is ``claimed``, by looking each up:
#: a plan that knows no number would read all events for a batch.
EVENTS_OF_CLAIMED: Final = """
      LEFT JOIN LATERAL (
           SELECT * FROM ops.events
            WHERE occurred_at = claimed.occurred_at AND event_id = claimed.event_id
            LIMIT 1) AS events ON true
"""
#: Leases in a row without a word after which a pointer is leased alone.
SUSPECT_AFTER: Final = 3


@dataclass(frozen=True, slots=True)
class Leased:
    """A pointer that is ours for the length of the lease.

    ``event`` is None if its row is gone; its ``order`` holds only what is announced. ``leases``
    counts how often in a row it was leased and nothing was heard of it again, this time included.
    """

    event_id: UUID
    event: Event | None
    leases: int


def event_of(row: Record) -> Event | None:
    """Read an event from the columns of ``ops.events`` in a record; None if its row is gone."""
    if row["type"] is None:
        return None
    return Event(
        id=row["event_id"],
        type=row["type"],
        sequence=row["sequence"],
        occurred_at=row["occurred_at"],
        order_id=row["order_public_id"],
        order={
            "id": str(row["order_public_id"]),
            **row["content"],
            "created_at": rfc3339(row["order_created_at"]),
        },
        traceparent=row["traceparent"],
        request_id=row["request_id"],
    )


_LEASE: Final = f"""
    WITH breaker AS (
        -- A lease that a crash of PostgreSQL undoes is worth no wait for its disk.
        SELECT opened_at IS NOT NULL AS open
          FROM ops.relay_breaker
         WHERE (SELECT set_config('synchronous_commit', 'off', true)) IS NOT NULL
    ), probe AS (
        UPDATE ops.relay_breaker
           SET probe_at = now() + $3::interval
         -- CASE: PostgreSQL would look for what is due before it looks at the breaker.
         WHERE CASE WHEN probe_at <= now()
                    THEN EXISTS (SELECT FROM ops.outbox
                                  WHERE due_at <= now() AND (leases >= $4) = $5) END
        RETURNING 1
    ), due AS (
        SELECT event_id
          FROM ops.outbox
         WHERE due_at <= now() AND (leases >= $4) = $5
         ORDER BY due_at
         LIMIT (SELECT CASE WHEN NOT open THEN $2 ELSE (SELECT count(*) FROM probe) END
                  FROM breaker)
           FOR UPDATE SKIP LOCKED
    ), leased AS (
        UPDATE ops.outbox
           SET due_at = now() + $3::interval, lease = $1, leases = leases + 1
         WHERE event_id = ANY (ARRAY(SELECT event_id FROM due))
        RETURNING event_id, occurred_at, leases
    )
    -- Of the order only what is announced: reading all of it would cost as much as publishing.
    SELECT claimed.event_id, claimed.occurred_at, claimed.leases, events.type, events.sequence,
           events.order_public_id, events.order_created_at,
           events.traceparent, events.request_id,
           jsonb_build_object('order_id', content -> 'order_id', 'total', content -> 'total',
               'customer', jsonb_build_object('name', content #> '{{customer,name}}'))
               AS content
      FROM leased AS claimed
      {EVENTS_OF_CLAIMED}
     ORDER BY events.occurred_at, events.sequence
"""  # noqa: S608 - a constant of ours


async def lease(
    connection: Connection,
    token: UUID,
    *,
    at_most: int,
    length: timedelta,
    suspects: bool = False,
) -> list[Leased]:
    """Take up to ``at_most`` due pointers with their events, oldest first, for ``length``.

    No other relay sees them meanwhile; a relay that dies gives them back by doing nothing. While
    the breaker is open one caller per pause gets a single pointer, as the probe, and all others
    get none. Only ``suspects``, which were leased ``SUSPECT_AFTER`` times without a word, or none
    of them: one that kills its process harms no other that way.
    """
    rows = await connection.fetch(_LEASE, token, at_most, length, SUSPECT_AFTER, suspects)
    return [Leased(row["event_id"], event_of(row), row["leases"]) for row in rows]


async def settle(
    connection: Connection,
    token: UUID,
    *,
    published: Mapping[UUID, str],
    given_back: Sequence[UUID],
    again_after: timedelta,
) -> datetime:
    """Write down what became of a leased batch, where the lease still holds.

    ``published`` has each event's message id; these wait for their return. ``given_back`` are due
    again after ``again_after``. Also closes the breaker if anything was published. Returns
    PostgreSQL's time.
    """
    return await connection.fetchval(
        """
        WITH ours AS (
            SELECT event_id
              FROM (SELECT unnest($2::uuid[] || $4::uuid[]) AS event ORDER BY 1) AS batch
             CROSS JOIN LATERAL (
                    SELECT event_id FROM ops.outbox
                     WHERE event_id = batch.event AND lease = $1
                       FOR UPDATE) AS pointer
        ), went AS (
            UPDATE ops.outbox
               SET due_at = 'infinity', lease = NULL, leases = 0, publishes = publishes + 1,
                   published_at = clock_timestamp(), message_id = gone.message_id
              FROM unnest($2::uuid[], $3::text[]) AS gone (event_id, message_id)
             WHERE outbox.event_id = gone.event_id
               AND outbox.event_id = ANY (ARRAY(SELECT event_id FROM ours))
        ), back AS (
            UPDATE ops.outbox
               SET due_at = now() + $5::interval, lease = NULL, leases = 0
             WHERE event_id = ANY (ARRAY(SELECT event_id FROM ours WHERE event_id = ANY ($4)))
        ), closed AS (
            UPDATE ops.relay_breaker
               SET opened_at = NULL, probe_at = NULL, failures = 0
             WHERE opened_at IS NOT NULL AND cardinality($2::uuid[]) > 0
        )
        -- As with a lease: what a crash forgets of this is published again.
        SELECT clock_timestamp() WHERE set_config('synchronous_commit', 'off', true) IS NOT NULL
        """,
        token,
        list(published),
        list(published.values()),
        given_back,
        again_after,
    )


async def park(
    connection: Connection, token: UUID | None, event_id: UUID, *, reason: str, error: str
) -> bool:
    """Take one event out of the way for good, with its reason, until a person redrives it.

    ``token`` is the lease we hold, None where it does not matter whose it is. False if it is not
    ours, or the pointer is gone.
    """
    parked: bool | None = await connection.fetchval(
        """
        WITH parked AS (
            UPDATE ops.outbox
               SET due_at = 'infinity', lease = NULL, parked_at = coalesce(parked_at, now()),
                   published_at = NULL, message_id = NULL
             WHERE event_id = $2 AND ($1::uuid IS NULL OR lease = $1)
            RETURNING event_id, occurred_at
        ), letter AS (
            INSERT INTO ops.dead_letters (kind, event_id, occurred_at, reason, error)
            SELECT 'outbox', event_id, occurred_at, $3, $4 FROM parked
            ON CONFLICT DO NOTHING
        )
        SELECT true FROM parked
        """,
        token,
        event_id,
        reason,
        error,
    )
    return parked is not None


async def happened_at(connection: Connection, event_id: UUID) -> datetime | None:
    """Tell when the event happened that a pointer stands for; None where there is no pointer."""
    return await connection.fetchval(
        "SELECT occurred_at FROM ops.outbox WHERE event_id = $1", event_id
    )


async def unpark(connection: Connection, event_id: UUID) -> bool:
    """Make a parked pointer due again; false if there is none."""
    status = await connection.execute(
        "UPDATE ops.outbox SET due_at = now(), parked_at = NULL, leases = 0"
        " WHERE event_id = $1 AND parked_at IS NOT NULL",
        event_id,
    )
    return status == "UPDATE 1"


async def forget(connection: Connection, event_id: UUID) -> None:
    """Let go of the pointer at an event that is passed over."""
    await connection.execute("DELETE FROM ops.outbox WHERE event_id = $1", event_id)


async def open_breaker(connection: Connection, *, pauses: Sequence[timedelta]) -> bool:
    """Pause publishing, longer after each failed probe. True if it was closed before."""
    failures: int = await connection.fetchval(
        """
        UPDATE ops.relay_breaker
           SET opened_at = coalesce(opened_at, now()), failures = failures + 1,
               probe_at = now() + ($1::interval[])[least(failures + 1, cardinality($1))]
        RETURNING failures
        """,
        pauses,
    )
    return failures == 1


async def breaker_is_open(connection: Connection) -> bool:
    """Say whether publishing is paused."""
    return await connection.fetchval("SELECT opened_at IS NOT NULL FROM ops.relay_breaker")

"""What each consumer still has to do, and what came of it.

One row for each consumer and event. A claim is a lease that ends by itself; the mark that an event
was consumed commits together with the consumer's effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from orderbus.domain.events import Event
from orderbus.errors import LeaseLost
from orderbus.storage import rows
from orderbus.storage.database import Connection
from orderbus.storage.outbox import EVENTS_OF_CLAIMED, event_of


@dataclass(frozen=True, slots=True)
class Claim:
    """An event that is ours to consume for the length of the lease; None if its payload is gone.

    ``crashes`` are the claims in a row that nobody heard the end of.
    """

    consumption_id: int
    consumer: str
    lease: UUID
    attempt: int
    crashes: int
    event_id: UUID
    occurred_at: datetime
    event: Event | None


@dataclass(frozen=True, slots=True)
class PutOff:
    """What was claimed is due again after a pause; ``charged`` false gives the attempt back."""

    claim: Claim
    after: timedelta
    charged: bool
    error: str


@dataclass(frozen=True, slots=True)
class ConsumerBacklog:
    """What one consumer has done and still has to do; ``oldest`` is the first that is pending."""

    consumer: str
    pending: int = 0
    oldest: datetime | None = None
    done: int = 0
    dead: int = 0


_CLAIM: Final = f"""
    WITH due AS MATERIALIZED (
        SELECT id
          FROM ops.consumptions
         WHERE state = 'pending'
           AND consumer = $1
           AND due_at <= now()
           AND (leased_until IS NULL OR leased_until <= now() OR lease = $2)
           AND is_suspect = $5
         ORDER BY due_at
         LIMIT $4
           FOR NO KEY UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE ops.consumptions
           SET lease = $2, leased_until = now() + $3::interval,
               attempts = attempts + (lease IS NULL)::int,
               crashes = crashes + coalesce(lease <> $2, false)::int,
               is_suspect = is_suspect OR coalesce(lease <> $2, false)
         WHERE id = ANY (ARRAY(SELECT id FROM due))
        RETURNING *
    )
    SELECT claimed.id AS consumption_id, claimed.consumer, claimed.attempts AS attempt,
           claimed.crashes, claimed.event_id, claimed.occurred_at, type, sequence,
           order_public_id, order_created_at, content, traceparent, request_id
      FROM claimed
      {EVENTS_OF_CLAIMED}
     ORDER BY claimed.id
"""  # noqa: S608 - a constant of ours


async def claim(
    connection: Connection,
    consumer: str,
    *,
    lease: UUID,
    length: timedelta,
    at_most: int,
    suspects: bool = False,
) -> list[Claim]:
    """Take what is due to a consumer for one attempt each, counted now, the oldest first.

    Only ``suspects``, whose worker died over them before, and not for the first time, or none of
    them; a claim that follows on one without an end goes on with the same attempt. Asked again with
    the same ``lease``, what was taken is taken once: the answer may have got lost.
    """
    records = await connection.fetch(_CLAIM, consumer, lease, length, at_most, suspects)
    return [rows.one(Claim, record, lease=lease, event=event_of(record)) for record in records]


#: The part of a statement that keeps those of the claims that are still ours; always in this order.
_OURS: Final = """
    WITH ours AS MATERIALIZED (
        SELECT held.id
          FROM (SELECT * FROM unnest($1::bigint[], $2::uuid[]) AS given (id, lease) ORDER BY id)
               AS claimed
         CROSS JOIN LATERAL (
                SELECT id FROM ops.consumptions
                 WHERE id = claimed.id AND lease = claimed.lease  -- who has one is pending
                   FOR UPDATE) AS held
    )
"""


def _keys(claims: Sequence[Claim]) -> tuple[list[int], list[UUID]]:
    return [claim.consumption_id for claim in claims], [claim.lease for claim in claims]


async def mark_done(connection: Connection, claims: Sequence[Claim]) -> None:
    """Note in the effects' transaction that all are consumed. Raises ``LeaseLost`` as ``hold``."""
    status = await connection.execute(
        f"""
        {_OURS}
        UPDATE ops.consumptions
           SET state = 'done', settled_at = now(), lease = NULL, leased_until = NULL, error = NULL
         WHERE id = ANY (ARRAY(SELECT id FROM ours))
        """,  # noqa: S608 - a constant of ours
        *_keys(claims),
    )
    if status != f"UPDATE {len(claims)}":
        raise _lost()


async def hold(connection: Connection, claims: Sequence[Claim]) -> None:
    """Keep what was claimed ours until the transaction ends; comes after the locks of the orders.

    Raises ``LeaseLost`` if a lease is: another worker may have done the work since.
    """
    held = await connection.fetchval(f"{_OURS} SELECT count(*) FROM ours", *_keys(claims))  # noqa: S608 - as above
    if held != len(claims):
        raise _lost()


def _lost() -> LeaseLost:
    return LeaseLost("The lease ended before the work did")


async def put_off(connection: Connection, later: Sequence[PutOff]) -> None:
    """Let what is still ours be tried again later."""
    await connection.execute(
        f"""
        {_OURS}
        UPDATE ops.consumptions
           SET due_at = now() + given.after, lease = NULL, leased_until = NULL, crashes = 0,
               is_suspect = false, error = given.error, attempts = attempts - (NOT charged)::int
          FROM unnest($1::bigint[], $3::interval[], $4::bool[], $5::text[])
               AS given (id, after, charged, error)
         WHERE consumptions.id = given.id
           AND consumptions.id = ANY (ARRAY(SELECT id FROM ours))
        """,  # noqa: S608 - as above
        *_keys([each.claim for each in later]),
        [each.after for each in later],
        [each.charged for each in later],
        [each.error for each in later],
    )


async def mark_dead(connection: Connection, claim: Claim, *, reason: str, error: str) -> None:
    """Write a dead letter for it. Raises ``LeaseLost`` as ``hold``."""
    dead: int = await connection.fetchval(
        """
        WITH dead AS (
            UPDATE ops.consumptions
               SET state = 'dead', settled_at = now(), lease = NULL, leased_until = NULL,
                   error = $4
             WHERE id = $1 AND lease = $2
            RETURNING id, consumer, event_id, occurred_at
        ), letter AS (
            INSERT INTO ops.dead_letters
                   (kind, consumption_id, actor, event_id, occurred_at, reason, error)
            SELECT 'consumption', id, consumer, event_id, occurred_at, $3, $4 FROM dead
            ON CONFLICT DO NOTHING
        )
        SELECT count(*) FROM dead
        """,
        claim.consumption_id,
        claim.lease,
        reason,
        error,
    )
    if not dead:
        raise _lost()


async def redrive(connection: Connection, consumption_id: int) -> bool:
    """Let a dead one begin again; false if it is not dead."""
    status = await connection.execute(
        """
        UPDATE ops.consumptions
           SET state = 'pending', attempts = 0, crashes = 0, is_suspect = false,
               due_at = now(), settled_at = NULL
         WHERE id = $1 AND state = 'dead'
        """,
        consumption_id,
    )
    return status == "UPDATE 1"


async def pending_by_consumer(connection: Connection) -> dict[str, int]:
    """Tell how much each consumer still has to do, however much is done."""
    records = await connection.fetch(
        "SELECT consumer, count(*) AS pending FROM ops.consumptions WHERE state = 'pending'"
        " GROUP BY consumer ORDER BY consumer"
    )
    return {record["consumer"]: record["pending"] for record in records}


async def names(connection: Connection) -> list[str]:
    """Name the consumers that still have something to do, one look each, however much it is."""
    records = await connection.fetch(
        """
        WITH RECURSIVE name AS (
            SELECT (SELECT min(consumer) FROM ops.consumptions WHERE state = 'pending') AS consumer
             UNION ALL
            SELECT (SELECT min(consumer) FROM ops.consumptions
                     WHERE state = 'pending' AND consumer > name.consumer)
              FROM name
             WHERE name.consumer IS NOT NULL
        )
        SELECT consumer FROM name WHERE consumer IS NOT NULL
        """
    )
    return [record["consumer"] for record in records]


async def list_by_consumer(connection: Connection) -> list[ConsumerBacklog]:
    """Count what each consumer has done; reads all that is kept: a second for some millions."""
    records = await connection.fetch(
        """
        SELECT consumer,
               count(*) FILTER (WHERE state = 'pending') AS pending,
               min(created_at) FILTER (WHERE state = 'pending') AS oldest,
               count(*) FILTER (WHERE state = 'done') AS done,
               count(*) FILTER (WHERE state = 'dead') AS dead
          FROM ops.consumptions
         GROUP BY consumer
         ORDER BY consumer
        """
    )
    return rows.many(ConsumerBacklog, records)


async def forget(connection: Connection, consumer: str, *, at_most: int) -> int:
    """Let go of what a consumer that is no more still had to do; returns how much it was."""
    status = await connection.execute(
        """
        DELETE FROM ops.consumptions
         WHERE ctid = ANY (ARRAY(SELECT ctid
                                   FROM ops.consumptions
                                  WHERE consumer = $1 AND state = 'pending'
                                  ORDER BY due_at
                                  LIMIT $2
                                    FOR UPDATE SKIP LOCKED))
        """,
        consumer,
        at_most,
    )
    return int(status.removeprefix("DELETE "))

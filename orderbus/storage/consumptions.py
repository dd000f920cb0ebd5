"""What each consumer still has to do, and what came of it.

One row for each consumer and event. A claim is a lease that ends by itself; the mark that an event
was consumed commits together with the consumer's effect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from orderbus.domain.events import Event
from orderbus.errors import Unavailable
from orderbus.storage import rows
from orderbus.storage.database import Connection
from orderbus.storage.outbox import event_of


@dataclass(frozen=True, slots=True)
class Claim:
    """An event that is ours to consume for the length of the lease; None if its payload is gone."""

    consumption_id: int
    consumer: str
    lease: UUID
    attempt: int
    event_id: UUID
    occurred_at: datetime
    event: Event | None


@dataclass(frozen=True, slots=True)
class ConsumerBacklog:
    """What one consumer has done and still has to do; ``oldest`` is the first that is pending."""

    consumer: str
    pending: int = 0
    oldest: datetime | None = None
    done: int = 0
    dead: int = 0


async def claim(
    connection: Connection, consumer: str, consumption_id: int, *, lease: UUID, length: timedelta
) -> Claim | None:
    """Take an event for one attempt, counted now; None if it may not go now, or to this consumer.

    Asked again with the same ``lease``, it is taken once: the answer may have got lost.
    """
    record = await connection.fetchrow(
        """
        WITH claimed AS (
            UPDATE ops.consumptions
               SET lease = $2, leased_until = now() + $3::interval, hinted_at = NULL,
                   attempts = attempts + (lease IS DISTINCT FROM $2)::int
             WHERE id = $1
               AND consumer = $4
               AND state = 'pending'
               AND due_at <= now()
               AND (leased_until IS NULL OR leased_until <= now() OR lease = $2)
            RETURNING *
        )
        SELECT claimed.id AS consumption_id, claimed.consumer, claimed.attempts AS attempt,
               claimed.event_id, claimed.occurred_at, type, sequence,
               order_public_id, order_created_at, content, traceparent, request_id
          FROM claimed
          LEFT JOIN ops.events
            ON events.occurred_at = claimed.occurred_at AND events.event_id = claimed.event_id
        """,
        consumption_id,
        lease,
        length,
        consumer,
    )
    if record is None:
        return None
    return rows.one(Claim, record, lease=lease, event=event_of(record))


async def mark_done(connection: Connection, claim: Claim) -> None:
    """Note in the effect's transaction that it is consumed. Raises ``Unavailable`` as ``hold``."""
    status = await connection.execute(
        """
        UPDATE ops.consumptions
           SET state = 'done', settled_at = now(), lease = NULL, leased_until = NULL, error = NULL
         WHERE id = $1 AND lease = $2 AND state = 'pending'
        """,
        claim.consumption_id,
        claim.lease,
    )
    if status != "UPDATE 1":
        raise _lost()


async def hold(connection: Connection, claim: Claim) -> None:
    """Keep a claimed event ours until the transaction ends; comes after the lock of the order.

    Raises ``Unavailable`` if the lease is lost: another worker may have done the work since.
    """
    held = await connection.fetchval(
        "SELECT true FROM ops.consumptions WHERE id = $1 AND lease = $2 FOR UPDATE",
        claim.consumption_id,
        claim.lease,
    )
    if not held:
        raise _lost()


def _lost() -> Unavailable:
    return Unavailable("The lease ended before the work did")


async def put_off(
    connection: Connection, claim: Claim, *, after: timedelta, charged: bool, error: str
) -> None:
    """Let it be tried again later; ``charged`` false gives the attempt back."""
    await connection.execute(
        """
        UPDATE ops.consumptions
           SET due_at = now() + $3::interval, lease = NULL, leased_until = NULL, error = $5,
               attempts = attempts - (NOT $4)::int
         WHERE id = $1 AND lease = $2
        """,
        claim.consumption_id,
        claim.lease,
        after,
        charged,
        error,
    )


async def mark_dead(connection: Connection, claim: Claim, *, reason: str, error: str) -> None:
    """Write a dead letter for it. Raises ``Unavailable`` if the lease is lost."""
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


async def hint(
    connection: Connection, consumers: Sequence[str], *, at_most: int, again_after: timedelta
) -> Mapping[str, list[int]]:
    """List by consumer what is due and was not hinted lately, and note that it is now.

    No consumer has more than ``at_most`` hints that it has not taken yet: it would not be faster.
    """
    records = await connection.fetch(
        """
        WITH due AS (
            SELECT waiting.id
              FROM unnest($1::text[]) AS consumers (name)
             CROSS JOIN LATERAL (
                    SELECT id
                      FROM ops.consumptions
                     WHERE state = 'pending'
                       AND consumer = consumers.name
                       AND due_at <= now()
                       AND (hinted_at IS NULL OR hinted_at < now() - $3::interval)
                       AND (leased_until IS NULL OR leased_until <= now())
                     ORDER BY due_at
                     LIMIT $2 - (SELECT count(*)
                                   FROM (SELECT
                                           FROM ops.consumptions
                                          WHERE state = 'pending'
                                            AND consumer = consumers.name
                                            AND hinted_at >= now() - $3::interval
                                          LIMIT $2) AS hinted)
                       FOR UPDATE SKIP LOCKED) AS waiting
        )
        UPDATE ops.consumptions
           SET hinted_at = now()
          FROM due
         WHERE consumptions.id = due.id
        RETURNING consumer, consumptions.id
        """,
        consumers,
        at_most,
        again_after,
    )
    due: dict[str, list[int]] = {}
    for record in records:
        due.setdefault(record["consumer"], []).append(record["id"])
    return due


async def redrive(connection: Connection, consumption_id: int) -> bool:
    """Let a dead one begin again; false if it is not dead."""
    status = await connection.execute(
        """
        UPDATE ops.consumptions
           SET state = 'pending', attempts = 0, due_at = now(), hinted_at = NULL, settled_at = NULL
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

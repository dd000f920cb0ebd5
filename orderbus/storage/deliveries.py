"""What is each endpoint owed, who is telling it now, and what came of every attempt?

A delivery may be claimed when it is due, at or below its order's watermark, the head of its
order's line at its endpoint, and its endpoint has a free place. The claim is a lease: a worker
that dies gives it back by doing nothing, and leaves an attempt of which nobody knows the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from orderbus.domain.events import Event
from orderbus.domain.webhooks import Answer
from orderbus.storage.database import Connection
from orderbus.storage.outbox import event_of


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is ours for the length of the lease, with all it takes to attempt it."""

    delivery_id: int
    lease: UUID
    attempt: int
    number: int
    crashes: int
    endpoint_id: UUID
    url: str
    secrets: Sequence[str]
    format: str
    sent_at: datetime
    now: datetime
    event: Event | None


async def claim(
    connection: Connection, delivery_id: int, *, lease: UUID, length: timedelta, in_flight: int
) -> Claimed | None:
    """Take a delivery for one attempt, counted now, with its attempt's row written.

    Asked again with the same ``lease``, it is taken once: the answer may have got lost. None if it
    may not go now: settled, not due, leased, behind its order's line or watermark,
    endpoint disabled or removed, or ``in_flight`` exchanges with the endpoint under way.
    """
    row = await connection.fetchrow(
        """
        WITH claimed AS (
            UPDATE ops.webhook_deliveries AS delivery
               SET lease = $2, leased_until = now() + $3::interval, hinted_at = NULL,
                   attempts = attempts + (delivery.lease IS DISTINCT FROM $2)::int,
                   claims = claims + (delivery.lease IS DISTINCT FROM $2)::int,
                   crashes = crashes + coalesce(delivery.lease <> $2, false)::int,
                   first_sent_at = coalesce(first_sent_at, now())
              FROM ops.webhook_endpoints AS endpoint
             WHERE delivery.id = $1
               AND endpoint.id = delivery.endpoint_id
               AND endpoint.disabled_at IS NULL
               AND endpoint.removed_at IS NULL
               AND delivery.state = 'pending'
               AND delivery.due_at <= now()
               AND (delivery.leased_until IS NULL OR delivery.leased_until <= now()
                    OR delivery.lease = $2)
               AND ops.may_go(delivery)
               AND (SELECT count(*) FROM ops.webhook_deliveries AS flying
                     WHERE flying.endpoint_id = delivery.endpoint_id
                       AND flying.lease <> $2
                       AND flying.leased_until > now()) < $4
            RETURNING delivery.*, endpoint.url, endpoint.secrets, endpoint.format
        ), unknown AS (
            UPDATE ops.webhook_attempts
               SET finished_at = now(), outcome = 'unknown'
             WHERE delivery_id = $1 AND finished_at IS NULL
               AND number < (SELECT claims FROM claimed)
        ), attempt AS (
            INSERT INTO ops.webhook_attempts (delivery_id, number)
            SELECT id, claims FROM claimed
                ON CONFLICT DO NOTHING
        )
        SELECT claimed.id, claimed.attempts, claimed.claims, claimed.crashes, claimed.endpoint_id,
               claimed.url, claimed.secrets, claimed.format, claimed.first_sent_at,
               now() AS now, events.*
          FROM claimed
          LEFT JOIN ops.events
            ON events.occurred_at = claimed.occurred_at AND events.event_id = claimed.event_id
        """,
        delivery_id,
        lease,
        length,
        in_flight,
    )
    return None if row is None else _claimed(row, lease)


def _claimed(row: Any, lease: UUID) -> Claimed:  # noqa: ANN401 - a record
    return Claimed(
        delivery_id=row["id"],
        lease=lease,
        attempt=row["attempts"],
        number=row["claims"],
        crashes=row["crashes"],
        endpoint_id=row["endpoint_id"],
        url=row["url"],
        secrets=row["secrets"],
        format=row["format"],
        sent_at=row["first_sent_at"],
        now=row["now"],
        event=None if row["event_id"] is None else event_of(row),
    )


@dataclass(frozen=True, slots=True)
class Settlement:
    """What becomes of a claimed delivery.

    ``state`` pending with ``after`` is a later attempt; ``charged`` false gives the attempt back.
    ``disabled_reason``: its endpoint was disabled, see ``storage.endpoints.disable``.
    ``outcome`` is the attempt's: delivered, failed or not_charged. ``without_result`` counts it
    among those that ended without one; ``keeps_crashes`` leaves their number, which a result ends.
    """

    state: str
    outcome: str
    after: timedelta = timedelta(0)
    charged: bool = True
    without_result: bool = False
    keeps_crashes: bool = False
    disabled_reason: str | None = None
    reason: str | None = None
    error: str | None = None


async def settle(
    connection: Connection, claimed: Claimed, settlement: Settlement, answer: Answer | None
) -> tuple[bool, float, list[int]]:
    """Close the attempt and move the delivery on, if the lease is still ours.

    Waits for no other delivery: whose row is locked is told of by somebody else. Returns whether it
    was, the seconds from commit to now, and the deliveries to hint, noted as hinted: the next of
    the order's line, and the endpoint's oldest that waits for a free place.
    """
    row = await connection.fetchrow(
        """
        WITH settled AS (
            UPDATE ops.webhook_deliveries
               SET state = $3, lease = NULL, leased_until = NULL,
                   crashes = CASE WHEN $15 THEN crashes + 1 WHEN $16 THEN crashes ELSE 0 END,
                   due_at = CASE WHEN $3 = 'pending' THEN now() + $4::interval ELSE due_at END,
                   attempts = attempts - (NOT $5)::int,
                   settled_at = CASE WHEN $3 IN ('delivered', 'dead') THEN now() END
             WHERE id = $1 AND lease = $2
            RETURNING id, order_id, endpoint_id, sequence, event_id, occurred_at
        ), attempt AS (
            UPDATE ops.webhook_attempts
               SET finished_at = clock_timestamp(), outcome = $6, status = $7, error = $8,
                   detail = $9, address = $10, head = $11
             WHERE delivery_id = $1 AND number = $12 AND finished_at IS NULL
               AND EXISTS (SELECT FROM settled)
        ), buried AS (
            INSERT INTO ops.dead_letters
                   (kind, delivery_id, event_id, occurred_at, reason, error)
            SELECT 'delivery', id, event_id, occurred_at, $13, $14
              FROM settled
             WHERE $3 = 'dead'
            ON CONFLICT DO NOTHING
        ), goes_on AS (
            SELECT settled.*
              FROM settled
              JOIN ops.webhook_endpoints AS endpoint ON endpoint.id = settled.endpoint_id
             WHERE endpoint.disabled_at IS NULL AND endpoint.removed_at IS NULL
        ), next_in_line AS (
            SELECT delivery.id
              FROM goes_on
             CROSS JOIN LATERAL (
                    SELECT id
                      FROM ops.webhook_deliveries
                     WHERE order_id = goes_on.order_id
                       AND endpoint_id = goes_on.endpoint_id
                       AND sequence > goes_on.sequence
                       AND state = 'pending'
                     ORDER BY sequence
                     LIMIT 1) AS delivery
             WHERE $3 IN ('delivered', 'dead')
        ), next_at_endpoint AS (
            SELECT delivery.id
              FROM goes_on
             CROSS JOIN LATERAL (
                    SELECT id
                      FROM ops.webhook_deliveries AS delivery
                     WHERE endpoint_id = goes_on.endpoint_id
                       AND state = 'pending'
                       AND hinted_at IS NULL
                       AND due_at <= now()
                       AND lease IS NULL
                       AND order_id <> goes_on.order_id
                       AND ops.may_go(delivery)
                     ORDER BY due_at
                     LIMIT 1) AS delivery
        ), free AS (
            SELECT id
              FROM ops.webhook_deliveries
             WHERE id IN (SELECT id FROM next_in_line UNION SELECT id FROM next_at_endpoint)
               AND state = 'pending' AND lease IS NULL AND due_at <= now()
             ORDER BY id
               FOR UPDATE SKIP LOCKED
        ), hinted AS (
            UPDATE ops.webhook_deliveries
               SET hinted_at = now()
             WHERE id IN (SELECT id FROM free)
            RETURNING id
        )
        SELECT (SELECT extract(epoch FROM clock_timestamp() - occurred_at)::float FROM settled)
                   AS took,
               (SELECT coalesce(array_agg(id), '{}') FROM hinted) AS next
        """,
        claimed.delivery_id,
        claimed.lease,
        settlement.state,
        settlement.after,
        settlement.charged,
        settlement.outcome,
        answer and answer.status,
        answer and answer.error,
        answer and answer.detail,
        answer and answer.address,
        answer and answer.head,
        claimed.number,
        settlement.reason,
        settlement.error,
        settlement.without_result,
        settlement.keeps_crashes,
    )
    assert row is not None  # noqa: S101 - a SELECT without FROM has one row
    return row["took"] is not None, row["took"] or 0.0, row["next"]


async def release_place(connection: Connection, delivery_id: int) -> None:
    """Forget that a delivery was hinted, so that the next free place may take it."""
    await connection.execute(
        "UPDATE ops.webhook_deliveries SET hinted_at = NULL"
        " WHERE id = $1 AND state = 'pending' AND lease IS NULL AND hinted_at IS NOT NULL",
        delivery_id,
    )


async def hint(
    connection: Connection, *, per_endpoint: int, at_most: int, again_after: timedelta
) -> list[int]:
    """List deliveries that may go and nobody was told of lately, and note the telling.

    Includes those whose worker died. Oldest first, ``per_endpoint`` at most for each endpoint (an
    endpoint that hangs must not fill the list), ``at_most`` in all.
    """
    rows = await connection.fetch(
        """
        WITH told_in_vain AS (
            UPDATE ops.webhook_deliveries
               SET hinted_at = NULL
             WHERE id IN (SELECT id
                            FROM ops.webhook_deliveries
                           WHERE state = 'pending' AND hinted_at < now() - $3::interval
                           ORDER BY hinted_at
                           LIMIT $2
                             FOR UPDATE SKIP LOCKED)
        ), due AS (
            SELECT waiting.id
              FROM ops.webhook_endpoints AS endpoint
             CROSS JOIN LATERAL (
                    SELECT delivery.id, delivery.due_at
                      FROM ops.webhook_deliveries AS delivery
                     WHERE delivery.endpoint_id = endpoint.id
                       AND delivery.state = 'pending'
                       AND delivery.hinted_at IS NULL
                       AND delivery.due_at <= now()
                       AND (delivery.leased_until IS NULL OR delivery.leased_until <= now())
                       AND ops.may_go(delivery)
                     ORDER BY delivery.due_at
                     LIMIT $1
                       FOR UPDATE SKIP LOCKED) AS waiting
             WHERE endpoint.disabled_at IS NULL AND endpoint.removed_at IS NULL
             ORDER BY waiting.due_at
             LIMIT $2
        )
        UPDATE ops.webhook_deliveries AS delivery
           SET hinted_at = now()
          FROM due
         WHERE delivery.id = due.id
        RETURNING delivery.id
        """,
        per_endpoint,
        at_most,
        again_after,
    )
    return [row["id"] for row in rows]


async def redrive(connection: Connection, delivery_id: int) -> bool:
    """Let a dead delivery begin again, due now; its attempts stay in the ledger."""
    status = await connection.execute(
        """
        UPDATE ops.webhook_deliveries AS delivery
           SET state = 'pending', due_at = now(), hinted_at = NULL, attempts = 0, crashes = 0,
               settled_at = NULL
          FROM ops.webhook_endpoints AS endpoint
         WHERE delivery.id = $1 AND delivery.state = 'dead' AND endpoint.id = delivery.endpoint_id
           AND endpoint.removed_at IS NULL
        """,
        delivery_id,
    )
    return status == "UPDATE 1"

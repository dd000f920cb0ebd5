"""The deliveries that endpoints are owed, who attempts them now, and what came of every attempt.

A delivery may be claimed when it is due, at or below its order's watermark and the head of line at
its endpoint, and its endpoint has a free place. The claim is a lease: a worker that dies gives it
back by doing nothing, and leaves an attempt of which nobody knows the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from orderbus.domain.deliveries import Settlement
from orderbus.domain.events import Event
from orderbus.domain.webhooks import EndpointResponse
from orderbus.storage import rows
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
    may not go now: settled, not due, leased, not head of line or above the watermark, endpoint
    disabled or removed, or ``in_flight`` exchanges with the endpoint under way.
    """
    record = await connection.fetchrow(
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
        SELECT claimed.id AS delivery_id, claimed.attempts AS attempt, claimed.claims AS number,
               claimed.crashes, claimed.endpoint_id, claimed.url, claimed.secrets, claimed.format,
               claimed.first_sent_at AS sent_at, now() AS now, claimed.event_id,
               claimed.occurred_at, claimed.sequence, type, order_public_id, order_created_at,
               content, traceparent, request_id
          FROM claimed
          LEFT JOIN ops.events
            ON events.occurred_at = claimed.occurred_at AND events.event_id = claimed.event_id
        """,
        delivery_id,
        lease,
        length,
        in_flight,
    )
    if record is None:
        return None
    return rows.one(Claimed, record, lease=lease, event=event_of(record))


@dataclass(frozen=True, slots=True)
class Settled:
    """What was settled, if the lease was still ours, and the seconds since the event's commit.

    ``next`` are the deliveries to hint, noted as hinted: the order's next one, and the endpoint's
    oldest that waits for a free place.
    """

    ours: bool
    seconds: float
    next: list[int]


_SETTLE: Final = """
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
    ), next_of_order AS (
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
         WHERE id IN (SELECT id FROM next_of_order UNION SELECT id FROM next_at_endpoint)
           AND state = 'pending' AND lease IS NULL AND due_at <= now()
         ORDER BY id
           FOR UPDATE SKIP LOCKED
    ), hinted AS (
        UPDATE ops.webhook_deliveries
           SET hinted_at = now()
         WHERE id IN (SELECT id FROM free)
        RETURNING id
    )
    SELECT EXISTS (SELECT FROM settled) AS ours,
           coalesce((SELECT extract(epoch FROM clock_timestamp() - occurred_at)::float
                       FROM settled), 0) AS seconds,
           (SELECT coalesce(array_agg(id), '{}') FROM hinted) AS next
"""


async def settle(
    connection: Connection,
    claimed: Claimed,
    settlement: Settlement,
    response: EndpointResponse | None,
) -> Settled:
    """Close the attempt and move the delivery on; waits for no other delivery."""
    record = await connection.fetchrow(
        _SETTLE,
        claimed.delivery_id,
        claimed.lease,
        settlement.state,
        settlement.after,
        settlement.charged,
        settlement.outcome,
        response and response.status,
        response and response.error,
        response and response.detail,
        response and response.address,
        response and response.head,
        claimed.number,
        settlement.reason,
        settlement.error,
        settlement.without_result,
        settlement.keeps_crashes,
    )
    return rows.one(Settled, record)


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
    """List deliveries that may go and were not hinted lately, and note that they are now.

    Includes those whose worker died. Oldest first, ``per_endpoint`` at most for each endpoint (an
    endpoint that hangs must not fill the list), ``at_most`` in all.
    """
    records = await connection.fetch(
        """
        WITH hinted_in_vain AS (
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
    return [record["id"] for record in records]


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

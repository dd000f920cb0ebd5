"""The deliveries that endpoints are owed, who attempts them now, and what came of every attempt.

Of an order's deliveries to an endpoint only the first is due, see ``storage.sequencing``.
The claim is a lease: a worker that dies gives it back by doing nothing, and leaves an attempt of
which nobody knows the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from orderbus.domain.events import Event
from orderbus.domain.retries import CRASHES_UNSUSPECTED, Settlement
from orderbus.domain.webhooks import EndpointResponse
from orderbus.storage import rows, sequencing
from orderbus.storage.database import Connection
from orderbus.storage.outbox import EVENTS_OF_CLAIMED, event_of


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
    headers: Mapping[str, str]
    trace: bool
    sent_at: datetime
    now: datetime
    event: Event | None


_CLAIM: Final = f"""
    WITH endpoints AS MATERIALIZED (
        SELECT id, url, format, headers, trace, ordering = 'none' AS unordered,
               CASE WHEN old_secrets_until <= now() THEN secrets[1:1] ELSE secrets END AS secrets,
               greatest(0, least($4, coalesce(known.places, $3) - (SELECT count(*)
                                             FROM ops.webhook_deliveries AS flying
                                            WHERE flying.endpoint_id = endpoint.id
                                              AND flying.lease <> $1
                                              AND flying.leased_until > now()))) AS places
          FROM ops.webhook_endpoints AS endpoint
          LEFT JOIN unnest($5::uuid[], $6::int[]) AS known (id, places) USING (id)
         WHERE disabled_at IS NULL AND removed_at IS NULL
    ), first AS (
        SELECT delivery.*, url, secrets, format, headers, trace, unordered
          FROM endpoints
         CROSS JOIN LATERAL (
                SELECT candidate.id, order_id, endpoint_id, sequence, due_at
                  FROM ops.webhook_deliveries AS candidate
                 WHERE candidate.endpoint_id = endpoints.id
                   AND candidate.state = 'pending'
                   AND candidate.due_at <= now()
                   AND (candidate.leased_until IS NULL OR candidate.leased_until <= now()
                        OR candidate.lease = $1)
                   AND $8 = (candidate.crashes + coalesce(candidate.lease <> $1, false)::int >= $7)
                 ORDER BY candidate.due_at
                 LIMIT endpoints.places
                   FOR NO KEY UPDATE SKIP LOCKED) AS delivery
         ORDER BY delivery.due_at
         LIMIT $4
    ), due AS MATERIALIZED (
        -- As ops.may_go, which costs PostgreSQL fifty times as much: it cannot be written out.
        SELECT id, url, secrets, format, headers, trace, unordered
               OR sequence <= (SELECT sequence FROM ops.watermarks WHERE order_id = first.order_id)
                  AND NOT EXISTS (
                      SELECT FROM ops.webhook_deliveries AS earlier
                       WHERE earlier.order_id = first.order_id
                         AND earlier.endpoint_id = first.endpoint_id
                         AND earlier.sequence < first.sequence
                         AND earlier.state IN ('pending', 'held')) AS goes  -- deliveries_in_line
          FROM first
    ), claimed AS (
        UPDATE ops.webhook_deliveries AS delivery
           SET lease = $1, leased_until = now() + $2::interval,
               attempts = attempts + (delivery.lease IS DISTINCT FROM $1)::int,
               claims = claims + (delivery.lease IS DISTINCT FROM $1)::int,
               crashes = crashes + coalesce(delivery.lease <> $1, false)::int,
               first_sent_at = coalesce(first_sent_at, now())
         WHERE id = ANY (ARRAY(SELECT id FROM due WHERE goes))
        RETURNING *
    ), unknown AS (
        UPDATE ops.webhook_attempts AS attempt
           SET finished_at = now(), outcome = 'unknown'
          FROM claimed
         WHERE claimed.crashes > 0
           AND attempt.delivery_id = claimed.id
           AND attempt.finished_at IS NULL
           AND attempt.number < claimed.claims
    ), attempt AS (
        INSERT INTO ops.webhook_attempts (delivery_id, number)
        SELECT id, claims FROM claimed
            ON CONFLICT DO NOTHING
    )
    SELECT due.id AS delivery_id, due.goes, claimed.attempts AS attempt, claimed.claims AS number,
           claimed.crashes, claimed.endpoint_id, url, secrets, format, headers, trace,
           claimed.first_sent_at AS sent_at, now() AS now, claimed.event_id, claimed.occurred_at,
           claimed.sequence, type, order_public_id, order_created_at, content, traceparent,
           request_id
      FROM due
      LEFT JOIN claimed ON claimed.id = due.id
      {EVENTS_OF_CLAIMED}
"""  # noqa: S608 - a constant of ours


async def claim(
    connection: Connection,
    *,
    lease: UUID,
    length: timedelta,
    in_flight: Mapping[UUID, int],
    otherwise: int,
    at_most: int,
    suspects: bool = False,
) -> list[Claimed]:
    """Take what is due for one attempt each, counted now, with its attempt's row written.

    Only ``suspects``, whose last attempts ended without a result too often, or none of them. Oldest
    first, ``at_most`` in all, and no more than leave an endpoint as many exchanges under way as
    ``in_flight`` says, or ``otherwise``. Asked again with the same ``lease``, what was taken is
    taken once: the answer may have got lost. Passes over what may not go yet, whoever made it due.
    In the caller's transaction.
    """
    records = await connection.fetch(
        _CLAIM,
        lease,
        length,
        otherwise,
        at_most,
        list(in_flight),
        list(in_flight.values()),
        CRASHES_UNSUSPECTED,
        suspects,
    )
    too_early = [record["delivery_id"] for record in records if not record["goes"]]
    if too_early:
        await sequencing.wait(connection, too_early)
    return [
        rows.one(Claimed, record, lease=lease, event=event_of(record))
        for record in records
        if record["goes"]
    ]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a claimed delivery, and what is decided about it."""

    claimed: Claimed
    settlement: Settlement
    response: EndpointResponse | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """What was settled, if the lease was still ours, and the seconds since its commit or resend.

    ``busy``: somebody holds it, or what waits for it, at this moment; nothing was written.
    """

    ours: bool
    busy: bool = False
    seconds: float = 0.0


_SETTLE: Final = """
    WITH given AS MATERIALIZED (
        SELECT *
          FROM unnest($1::bigint[], $2::uuid[], $3::int[], $4::text[], $5::interval[], $6::bool[],
                      $7::bool[], $8::text[], $9::text[], $10::text[], $11::int[], $12::text[],
                      $13::text[], $14::text[], $15::bytea[])
               AS given (id, lease, number, state, after, charged, without_result, outcome, reason,
                         why, status, error, detail, address, head)
    ), ours AS MATERIALIZED (
        SELECT delivery.id, next.id AS next
          FROM given
          JOIN ops.webhook_deliveries AS delivery USING (id)
          LEFT JOIN LATERAL (
               SELECT id
                 FROM ops.webhook_deliveries
                WHERE order_id = delivery.order_id AND endpoint_id = delivery.endpoint_id
                  AND state IN ('pending', 'held')  -- deliveries_in_line
                  AND NOT isfinite(due_at)  -- else a plan without numbers reads all who wait
                ORDER BY sequence
                LIMIT 1) AS next ON given.state <> 'pending'
         WHERE delivery.lease = given.lease
    ), next AS MATERIALIZED (
        -- Whoever holds it may leave it waiting, with nobody left to make it due.
        SELECT id FROM ops.webhook_deliveries
         WHERE id = ANY (ARRAY(SELECT next FROM ours))
         ORDER BY id
           FOR NO KEY UPDATE SKIP LOCKED
    ), free AS MATERIALIZED (
        SELECT id
          FROM ops.webhook_deliveries
         WHERE id = ANY (ARRAY(SELECT id FROM ours
                                WHERE next IS NULL OR next IN (SELECT id FROM next)))
         ORDER BY id
           FOR UPDATE SKIP LOCKED
    ), settled AS (
        UPDATE ops.webhook_deliveries AS delivery
           SET state = given.state, lease = NULL, leased_until = NULL,
               crashes = CASE WHEN without_result THEN crashes + 1 ELSE 0 END,
               due_at = CASE WHEN given.state = 'pending' THEN now() + after ELSE due_at END,
               attempts = attempts - (NOT charged)::int,
               settled_at = CASE WHEN given.state <> 'pending' THEN now() END
          FROM given
         WHERE delivery.id = given.id
           AND delivery.id = ANY (ARRAY(SELECT id FROM free))
           AND delivery.lease = given.lease
        RETURNING delivery.id, order_id, endpoint_id, event_id, occurred_at, given.number,
                  coalesce(resent_at, occurred_at) AS since,
                  given.state, outcome, reason, why, status, error, detail, address, head
    ), attempt AS (
        UPDATE ops.webhook_attempts AS attempt
           SET finished_at = clock_timestamp(), outcome = settled.outcome, status = settled.status,
               error = settled.error, detail = settled.detail, address = settled.address,
               head = settled.head
          FROM settled
         WHERE attempt.delivery_id = settled.id
           AND attempt.number = settled.number
           AND attempt.finished_at IS NULL
    ), dead AS (
        INSERT INTO ops.dead_letters (kind, delivery_id, event_id, occurred_at, reason, error)
        SELECT 'delivery', id, event_id, occurred_at, reason, why
          FROM settled
         WHERE state = 'dead'
        ON CONFLICT DO NOTHING
    )
    SELECT ours.id, settled.id IS NOT NULL AS settled, settled.order_id, settled.endpoint_id,
           settled.state <> 'pending' AS ended,
           extract(epoch FROM clock_timestamp() - settled.since)::float AS seconds
      FROM ours
      LEFT JOIN settled USING (id)
"""


async def settle(connection: Connection, outcomes: Sequence[Outcome]) -> list[Settled]:
    """Close attempts and move their deliveries on; answers for each, in order.

    What is next in their orders is due then. In the caller's transaction. Waits for no delivery
    that somebody else holds, and settles none whose next one somebody else holds.
    """
    records = await connection.fetch(_SETTLE, *_columns(outcomes))
    ended = [record for record in records if record["ended"]]
    if ended:
        await sequencing.go_on(
            connection, [(record["order_id"], record["endpoint_id"]) for record in ended]
        )
    found = {
        record["id"]: Settled(ours=True, busy=not record["settled"], seconds=record["seconds"] or 0)
        for record in records
    }
    lost = Settled(ours=False)
    return [found.get(outcome.claimed.delivery_id, lost) for outcome in outcomes]


_CLAIMED_COLUMNS: Final = ("delivery_id", "lease", "number")
_SETTLEMENT_COLUMNS: Final = (
    *("state", "after", "charged", "without_result", "outcome", "reason", "error"),
)
_RESPONSE_COLUMNS: Final = ("status", "error", "detail", "address", "head")


def _columns(outcomes: Sequence[Outcome]) -> list[list[object]]:
    """Turn outcomes into the arrays of ``_SETTLE``."""
    return [
        [row and getattr(row, name) for row in rows_of]
        for names, rows_of in (
            (_CLAIMED_COLUMNS, [each.claimed for each in outcomes]),
            (_SETTLEMENT_COLUMNS, [each.settlement for each in outcomes]),
            (_RESPONSE_COLUMNS, [each.response for each in outcomes]),
        )
        for name in names
    ]

"""What a person does about deliveries: they are due now, are skipped, or are sent once more.

Each takes what it can have at once, waits for nobody, and returns the ids of what was done. What
is under way is left alone: its attempt ends as it ends. Which one of an order goes first stays
what it was, see ``storage.sequencing``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from orderbus.errors import Busy, NotFound
from orderbus.storage import rows, sequencing
from orderbus.storage.database import Connection


@dataclass(frozen=True, slots=True)
class Held:
    """A delivery that nobody else can change until our transaction ends.

    ``under_way_until``: a worker attempts it. ``waits``: for ``behind``, an earlier one of its
    order, or where that is None for an event that did not come back yet. ``letter`` is its dead
    letter that nobody decided about.
    """

    id: int
    state: str
    is_due: bool
    waits: bool
    behind: int | None
    under_way_until: datetime | None
    settled_at: datetime | None
    endpoint_id: UUID
    is_disabled: bool
    is_removed: bool
    has_payload: bool
    decided_by: str | None


_HOLD: Final = """
    WITH letter AS MATERIALIZED (
        -- Who decides about a letter has it before its delivery.
        SELECT id FROM ops.dead_letters
         WHERE delivery_id = $1 AND kind = 'delivery' AND resolved_at IS NULL
           FOR UPDATE SKIP LOCKED
    ), free AS MATERIALIZED (
        SELECT * FROM ops.webhook_deliveries
         WHERE id = $1 AND (SELECT count(*) FROM letter) >= 0
           FOR UPDATE SKIP LOCKED
    )
    SELECT free.id, free.state, free.due_at <= clock_timestamp() AS is_due,
           free.due_at = 'infinity' AS waits,
           CASE WHEN leased_until > now() THEN leased_until END AS under_way_until,
           free.settled_at, endpoint_id, disabled_at IS NOT NULL AS is_disabled,
           removed_at IS NOT NULL AS is_removed, decided_by,
           EXISTS (SELECT FROM ops.events
                    WHERE occurred_at = free.occurred_at AND event_id = free.event_id
                  ) AS has_payload,
           (SELECT earlier.id
              FROM ops.webhook_deliveries AS earlier
             WHERE earlier.order_id = free.order_id
               AND earlier.endpoint_id = free.endpoint_id
               AND earlier.sequence < free.sequence
               AND earlier.state IN ('pending', 'held')  -- deliveries_in_line
             ORDER BY earlier.sequence
             LIMIT 1) AS behind
      FROM free
      JOIN ops.webhook_endpoints AS endpoint ON endpoint.id = endpoint_id
"""


async def hold(connection: Connection, delivery_id: int) -> Held:
    """Have one delivery to ourselves until our transaction ends. Raises ``NotFound``, ``Busy``."""
    record = await connection.fetchrow(_HOLD, delivery_id)
    if record is not None:
        return rows.one(Held, record)
    there = "SELECT true FROM ops.webhook_deliveries WHERE id = $1"
    if not await connection.fetchval(there, delivery_id):
        raise NotFound(f"No delivery {delivery_id}")
    raise Busy(f"Somebody else is at work on delivery {delivery_id}", dependency="postgres")


async def is_disabled(connection: Connection, endpoint_id: UUID) -> bool:
    """Say whether an endpoint is told nothing at the moment. Raises ``NotFound``."""
    found: bool | None = await connection.fetchval(
        "SELECT disabled_at IS NOT NULL FROM ops.webhook_endpoints"
        " WHERE id = $1 AND removed_at IS NULL",
        endpoint_id,
    )
    if found is None:
        raise NotFound(f"No endpoint {endpoint_id}")
    return found


async def retry(connection: Connection, deliveries: Sequence[int]) -> list[int]:
    """Make due now what waits for its next attempt, and for nothing else.

    What another transaction made due is due, also where that one began after ours did: hence the
    clock's time and not that of our beginning.
    """
    return await _ids(
        connection,
        """
        UPDATE ops.webhook_deliveries
           SET due_at = now()
         WHERE id IN (SELECT id
                        FROM ops.webhook_deliveries
                       WHERE id = ANY ($1::bigint[])
                         AND state = 'pending'
                         AND due_at > clock_timestamp()
                         AND due_at < 'infinity'
                         AND lease IS NULL
                       ORDER BY id
                         FOR NO KEY UPDATE SKIP LOCKED)
        RETURNING id
        """,
        deliveries,
    )


async def redrive(
    connection: Connection, deliveries: Sequence[int], *, by: str | None = None
) -> list[int]:
    """Let what is dead begin its schedule again, due now; its open dead letter is resolved.

    Passes over one whose letter somebody else decides about.
    """
    return await _ids(
        connection,
        """
        WITH letters AS MATERIALIZED (
            SELECT id, delivery_id
              FROM ops.dead_letters
             WHERE delivery_id = ANY ($1::bigint[]) AND kind = 'delivery' AND resolved_at IS NULL
             ORDER BY id
               FOR UPDATE SKIP LOCKED
        ), free AS MATERIALIZED (
            SELECT delivery.id
              FROM ops.webhook_deliveries AS delivery
             WHERE delivery.id = ANY ($1)
               AND state = 'dead'
               AND (delivery.id = ANY (ARRAY(SELECT delivery_id FROM letters))
                    OR NOT EXISTS (SELECT FROM ops.dead_letters AS open
                                    WHERE open.delivery_id = delivery.id
                                      AND kind = 'delivery' AND resolved_at IS NULL))
               AND NOT EXISTS (SELECT FROM ops.webhook_endpoints AS endpoint
                                WHERE endpoint.id = delivery.endpoint_id
                                  AND removed_at IS NOT NULL)
             ORDER BY delivery.id
               FOR UPDATE SKIP LOCKED
        ), redriven AS (
            UPDATE ops.webhook_deliveries
               SET state = 'pending', due_at = now(), attempts = 0, crashes = 0, settled_at = NULL
             WHERE id = ANY (ARRAY(SELECT id FROM free))
            RETURNING id
        ), resolved AS (
            UPDATE ops.dead_letters AS letter
               SET resolved_at = now(), resolution = 'redriven', decided_by = $2
              FROM letters
             WHERE letter.id = letters.id
               AND letters.delivery_id = ANY (ARRAY(SELECT id FROM redriven))
        )
        SELECT id FROM redriven
        """,
        deliveries,
        by,
    )


#: Whoever holds what is next may leave it waiting, with nobody left to make it due: see ``settle``.
_SKIP: Final = """
    WITH given AS MATERIALIZED (
        SELECT id, order_id, endpoint_id
          FROM ops.webhook_deliveries
         WHERE id = ANY ($1::bigint[])
           AND state IN ('pending', 'held')
           AND (leased_until IS NULL OR leased_until <= now())
    ), next AS MATERIALIZED (
        SELECT given.order_id, given.endpoint_id, next.id
          FROM (SELECT DISTINCT order_id, endpoint_id FROM given) AS given
          LEFT JOIN LATERAL (
               SELECT id
                 FROM ops.webhook_deliveries
                WHERE order_id = given.order_id AND endpoint_id = given.endpoint_id
                  AND state IN ('pending', 'held')  -- deliveries_in_line
                  AND NOT isfinite(due_at)
                  AND id <> ALL ($1)
                ORDER BY sequence
                LIMIT 1) AS next ON true
    ), locked AS MATERIALIZED (
        SELECT id FROM ops.webhook_deliveries
         WHERE id = ANY (ARRAY(SELECT id FROM next))
         ORDER BY id
           FOR NO KEY UPDATE SKIP LOCKED
    ), free AS MATERIALIZED (
        SELECT id
          FROM ops.webhook_deliveries
         WHERE id = ANY (ARRAY(SELECT given.id
                                 FROM given
                                 JOIN next USING (order_id, endpoint_id)
                                WHERE next.id IS NULL OR next.id IN (SELECT id FROM locked)))
           AND state IN ('pending', 'held')
           AND (leased_until IS NULL OR leased_until <= now())
         ORDER BY id
           FOR UPDATE SKIP LOCKED
    ), unknown AS (
        UPDATE ops.webhook_attempts
           SET finished_at = now(), outcome = 'unknown'
         WHERE delivery_id = ANY (ARRAY(SELECT id FROM free)) AND finished_at IS NULL
    )
    UPDATE ops.webhook_deliveries AS delivery
       SET state = 'skipped', settled_at = now(), lease = NULL, leased_until = NULL,
           decided_by = $2, decided_reason = $3
     WHERE id = ANY (ARRAY(SELECT id FROM free))
    RETURNING id, order_id, endpoint_id
"""


async def skip(
    connection: Connection, deliveries: Sequence[int], *, by: str, reason: str
) -> list[int]:
    """Let an endpoint never have these: what comes next of their orders is due.

    Passes over one whose next one somebody else holds.
    """
    records = await connection.fetch(_SKIP, deliveries, by, reason)
    if records:
        lines = {(record["order_id"], record["endpoint_id"]) for record in records}
        await sequencing.go_on(connection, sorted(lines))
    return [record["id"] for record in records]


async def resend(
    connection: Connection, deliveries: Sequence[int], *, by: str, reason: str | None
) -> list[int]:
    """Send once more what was delivered or skipped: the same id and body, due now.

    Its schedule begins again, its attempts stay in the ledger, and what is owed of its order and
    comes later waits for it.
    """
    return await _ids(
        connection,
        """
        UPDATE ops.webhook_deliveries
           SET state = 'pending', due_at = now(), attempts = 0, crashes = 0, settled_at = NULL,
               resent_at = now(), decided_by = $2, decided_reason = $3
         WHERE id IN (SELECT delivery.id
                        FROM ops.webhook_deliveries AS delivery
                       WHERE delivery.id = ANY ($1::bigint[])
                         AND state IN ('delivered', 'skipped')
                         AND EXISTS (SELECT FROM ops.webhook_endpoints AS endpoint
                                      WHERE endpoint.id = delivery.endpoint_id
                                        AND removed_at IS NULL)
                         AND EXISTS (SELECT FROM ops.events
                                      WHERE occurred_at = delivery.occurred_at
                                        AND event_id = delivery.event_id)
                       ORDER BY delivery.id
                         FOR UPDATE OF delivery SKIP LOCKED)
        RETURNING id
        """,
        deliveries,
        by,
        reason,
    )


async def _ids(connection: Connection, statement: str, *given: object) -> list[int]:
    return [record["id"] for record in await connection.fetch(statement, *given)]

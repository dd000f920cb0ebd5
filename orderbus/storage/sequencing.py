"""Which of an order's deliveries to an endpoint is due: the first one, and the others wait.

The first pending delivery at or below the order's watermark is due; the others have ``due_at`` at
infinity and cost nobody anything. One that nobody is ahead of is recorded as due: see
``storage.inbox``. Whoever settles the first makes the next one due. A delivery is only left waiting
by somebody who holds the row of the first one: its settlement needs that row, so it comes
afterwards and sees who waits. Nobody waits for that row: where somebody else holds it, the delivery
is due at once, and the claim finds out.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from orderbus.errors import Busy
from orderbus.storage.database import Connection

#: How long a delivery that is due too early is passed over, where nobody can be waited for.
TOO_EARLY: Final = timedelta(seconds=1)

_OF_ORDERS: Final = """
    WITH concerned AS MATERIALIZED (
        SELECT DISTINCT delivery.*
          FROM (SELECT DISTINCT unnest($1::bigint[]) AS order_pk) AS orders
         CROSS JOIN LATERAL (
                SELECT order_id, endpoint_id FROM ops.webhook_deliveries
                 WHERE order_id = orders.order_pk
                   AND state IN ('pending', 'held')  -- deliveries_in_line
                OFFSET 0) AS delivery
"""
_AFTER: Final = """
    WITH concerned AS MATERIALIZED (
        SELECT DISTINCT order_id, endpoint_id
          FROM unnest($1::bigint[], $2::uuid[]) AS settled (order_id, endpoint_id)
"""
_LET_GO: Final = """
    ), heads AS MATERIALIZED (
        SELECT concerned.*, head.id, head.sequence, head.due_at = 'infinity' AS waits
          FROM concerned
         CROSS JOIN LATERAL (
                SELECT id, sequence, due_at
                  FROM ops.webhook_deliveries
                 WHERE order_id = concerned.order_id
                   AND endpoint_id = concerned.endpoint_id
                   AND state IN ('pending', 'held')  -- deliveries_in_line
                 ORDER BY sequence
                 LIMIT 1) AS head
    ), held AS MATERIALIZED (
        SELECT head.id
          FROM (SELECT id FROM heads WHERE NOT waits ORDER BY id) AS open
         CROSS JOIN LATERAL (
                SELECT id, state FROM ops.webhook_deliveries
                 WHERE id = open.id
                 LIMIT 1  -- else an index of what is pending is read, however much that is by now
                   FOR KEY SHARE SKIP LOCKED) AS head
         WHERE state = 'pending'
    ), ready AS (
        SELECT heads.id, waits AS for_nobody
          FROM heads
         CROSS JOIN LATERAL (
                SELECT sequence FROM ops.watermarks WHERE order_id = heads.order_id LIMIT 1
               ) AS watermark
         WHERE heads.waits AND heads.sequence <= watermark.sequence
         UNION ALL
        -- Whoever holds the first one may settle it without seeing who waits.
        SELECT next.id, false
          FROM heads
         CROSS JOIN LATERAL (
                SELECT id
                  FROM ops.webhook_deliveries
                 WHERE order_id = heads.order_id
                   AND endpoint_id = heads.endpoint_id
                   AND state IN ('pending', 'held')  -- deliveries_in_line
                   AND NOT isfinite(due_at)  -- else a plan without numbers reads all who wait
                 ORDER BY sequence
                 LIMIT 1) AS next
         WHERE NOT heads.waits AND heads.id NOT IN (SELECT id FROM held)
    ), free AS (
        SELECT delivery.id
          FROM (SELECT DISTINCT id FROM ready ORDER BY id) AS ready
         CROSS JOIN LATERAL (
                SELECT id FROM ops.webhook_deliveries
                 WHERE id = ready.id AND due_at = 'infinity'
                   FOR NO KEY UPDATE SKIP LOCKED) AS delivery
    ), made_due AS (
        UPDATE ops.webhook_deliveries
           SET due_at = now()
         WHERE id = ANY (ARRAY(SELECT id FROM free))
        RETURNING id, endpoint_id
    )
    SELECT ARRAY(SELECT made_due.id
                   FROM made_due
                   JOIN ops.webhook_endpoints AS endpoint ON endpoint.id = made_due.endpoint_id
                  WHERE disabled_at IS NULL
                  ORDER BY made_due.id) AS due,
           EXISTS (SELECT FROM ready WHERE for_nobody AND id NOT IN (SELECT id FROM free)) AS missed
"""


async def begin(connection: Connection, orders: Sequence[int]) -> list[int]:
    """Make due what these orders' events that came back let go, and returns it.

    In the transaction that records them, where some wait that this transaction cannot judge, or
    where a watermark moved over what came too early. Raises ``Busy`` where
    somebody else holds one of them: nobody would make it due later.
    """
    (row,) = await connection.fetch(_OF_ORDERS + _LET_GO, orders)
    if row["missed"]:
        raise Busy("Somebody else holds a delivery that may go now", dependency="postgres")
    return row["due"]


async def go_on(connection: Connection, settled: Sequence[tuple[int, UUID]]) -> None:
    """Make due what comes next of these orders to these endpoints.

    In the transaction that settled what was before, in a statement of its own: it sees who waits.
    """
    await connection.execute(
        _AFTER + _LET_GO,
        [order_pk for order_pk, _ in settled],
        [endpoint_id for _, endpoint_id in settled],
    )


async def wait(connection: Connection, deliveries: Sequence[int]) -> None:
    """Let deliveries wait for the first one of their order, where that is open and nobody's.

    Where nobody can be waited for, they are passed over for a moment.
    """
    await connection.execute(
        """
        WITH waits AS MATERIALIZED (
            SELECT delivery.id, head.id AS head
              FROM ops.webhook_deliveries AS delivery
             CROSS JOIN LATERAL (
                    SELECT id
                      FROM ops.webhook_deliveries
                     WHERE order_id = delivery.order_id
                       AND endpoint_id = delivery.endpoint_id
                       AND state IN ('pending', 'held')  -- deliveries_in_line
                     ORDER BY sequence
                     LIMIT 1) AS head
             WHERE delivery.id = ANY ($1::bigint[]) AND head.id <> delivery.id
        ), held AS MATERIALIZED (
            SELECT head.id
              FROM (SELECT DISTINCT head FROM waits ORDER BY 1) AS first
             CROSS JOIN LATERAL (
                    SELECT id, state FROM ops.webhook_deliveries
                     WHERE id = first.head
                     LIMIT 1  -- as above
                       FOR KEY SHARE SKIP LOCKED) AS head
             WHERE state = 'pending'
        )
        UPDATE ops.webhook_deliveries AS delivery
           SET due_at = CASE WHEN head IN (SELECT id FROM held) THEN 'infinity'
                             ELSE now() + $2::interval END
          FROM unnest($1::bigint[]) AS early (id)
          LEFT JOIN waits USING (id)
         WHERE delivery.id = early.id
        """,
        deliveries,
        TOO_EARLY,
    )

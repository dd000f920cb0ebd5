"""What endpoints are owed that were enabled, moved or removed: made due or skipped, in steps."""

from __future__ import annotations

from orderbus.storage.database import Connection


async def release(connection: Connection, *, at_most: int) -> int | None:
    """Make due now what an endpoint is owed that was enabled or moved, and waits for a later try.

    One endpoint and up to ``at_most`` deliveries, from the latest on, so that what fails meanwhile
    and waits anew is not made due over and over. Returns how many they were; None where nothing is
    left of any endpoint, or others are at it.
    """
    return await connection.fetchval(
        """
        WITH asked AS MATERIALIZED (
            SELECT id, due_until
              FROM ops.webhook_endpoints
             WHERE due_until IS NOT NULL
             ORDER BY id
             LIMIT 1
               FOR NO KEY UPDATE SKIP LOCKED
        ), owed AS MATERIALIZED (
            SELECT delivery.id, due_at
              FROM asked
             CROSS JOIN LATERAL (
                    SELECT id, due_at
                      FROM ops.webhook_deliveries
                     WHERE endpoint_id = asked.id
                       AND state = 'pending'
                       AND due_at > now()
                       AND due_at <= asked.due_until
                       AND due_at < 'infinity'  -- those wait in line
                       AND lease IS NULL
                     ORDER BY due_at DESC
                     LIMIT $1
                       FOR UPDATE SKIP LOCKED) AS delivery
        ), made AS (
            UPDATE ops.webhook_deliveries
               SET due_at = now()
             WHERE id = ANY (ARRAY(SELECT id FROM owed))
        ), moved AS (
            UPDATE ops.webhook_endpoints
               SET due_until = (SELECT min(due_at)
                                   FROM owed
                                 HAVING count(*) = $1)
             WHERE id = ANY (ARRAY(SELECT id FROM asked))
        )
        SELECT CASE WHEN EXISTS (SELECT FROM asked) THEN (SELECT count(*) FROM owed) END
        """,
        at_most,
    )


async def skip(connection: Connection, *, at_most: int) -> int:
    """Skip up to ``at_most`` deliveries to endpoints that were removed; returns how many.

    Each says who removed its endpoint, and why. Passes over those under way. An event that came
    back while its endpoint was being removed may still owe it a delivery, so this is asked again
    and again.
    """
    status = await connection.execute(
        """
        WITH owed AS MATERIALIZED (
            SELECT delivery.id, endpoint.id AS endpoint_id
              FROM ops.webhook_endpoints AS endpoint
             CROSS JOIN LATERAL (
                    SELECT id
                      FROM ops.webhook_deliveries
                     WHERE endpoint_id = endpoint.id
                       AND state = 'pending'
                       AND (leased_until IS NULL OR leased_until <= now())
                     ORDER BY due_at
                     LIMIT $1
                       FOR UPDATE SKIP LOCKED) AS delivery
             WHERE endpoint.removed_at IS NOT NULL
             LIMIT $1
        ), removed AS MATERIALIZED (
            SELECT endpoint_id, entry.actor, entry.reason
              FROM (SELECT DISTINCT endpoint_id FROM owed) AS endpoint
              LEFT JOIN LATERAL (
                   SELECT actor, reason
                     FROM ops.audit_log
                    WHERE subject_id = endpoint_id::text AND action = 'endpoint.removed'
                    ORDER BY at DESC, id DESC
                    LIMIT 1) AS entry ON true
        )
        UPDATE ops.webhook_deliveries AS delivery
           SET state = 'skipped', settled_at = now(), lease = NULL, leased_until = NULL,
               decided_by = coalesce(removed.actor, 'worker'),  -- before there was a trail
               decided_reason = concat_ws(': ', 'its endpoint was removed', removed.reason)
          FROM removed
         WHERE delivery.id = ANY (ARRAY(SELECT id FROM owed))
           AND removed.endpoint_id = delivery.endpoint_id
        """,
        at_most,
    )
    return int(status.removeprefix("UPDATE "))

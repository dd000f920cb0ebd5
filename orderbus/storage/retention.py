"""Deletes what is old and settled: at most so many rows in a statement, each a step of its own.

Nothing that somebody still has to do or to decide is deleted, nor what it refers to. Each step
goes on behind the ``until`` of the one before: rows that are just deleted stay in an index as long
as some reader is older than their deletion, and would be passed over again and again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg

from orderbus.storage import rows
from orderbus.storage.database import Connection

#: A replay that began just inside the time that is kept is over before its day may go.
GRACE: Final = timedelta(hours=1)


async def lease(connection: Connection, holder: UUID, *, length: timedelta) -> bool:
    """Take the lease to delete, or make ours longer; false if it is another's or not due yet."""
    status = await connection.execute(
        """
        UPDATE ops.retention
           SET holder = $1, due_at = now() + $2::interval
         WHERE due_at <= now() OR holder = $1
        """,
        holder,
        length,
    )
    return status == "UPDATE 1"


async def give_back(connection: Connection, holder: UUID, *, due_after: timedelta) -> None:
    """End our lease; the next process may begin ``due_after`` from now."""
    await connection.execute(
        "UPDATE ops.retention SET holder = NULL, due_at = now() + $2::interval WHERE holder = $1",
        holder,
        due_after,
    )


@dataclass(frozen=True, slots=True)
class Bounds:
    """Which rows a step deletes: older than ``keep``, going on behind ``after``."""

    keep: timedelta
    at_most: int
    after: datetime | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """How many rows went, and the age of the youngest of them; None where none went."""

    rows: int
    until: datetime | None


def _oldest_of(table: str, at: str, which: str = "true") -> str:
    return f"""
        WITH gone AS (
            DELETE FROM {table}
             WHERE ctid = ANY (ARRAY(
                   SELECT ctid
                     FROM {table}
                    WHERE {which}
                      AND {at} >= coalesce($1::timestamptz, '-infinity')
                      AND {at} < now() - $2::interval
                    ORDER BY {at}
                    LIMIT $3
                      FOR UPDATE SKIP LOCKED))
            RETURNING *, {at} AS at
        )
    """  # noqa: S608 - constants of ours


_ANSWERS: Final = _oldest_of("ops.idempotency_keys", "created_at")
_THROTTLES: Final = _oldest_of("identity.throttles", "began_at")
_TOKENS: Final = _oldest_of("identity.refresh_tokens", "expires_at")
_RESETS: Final = _oldest_of("identity.password_resets", "expires_at")
_JOBS: Final = _oldest_of("ops.jobs", "finished_at", "state <> 'failed'")
_DELIVERIES: Final = _oldest_of(
    "ops.webhook_deliveries", "settled_at", "state IN ('delivered', 'skipped')"
)
_DEAD_LETTERS: Final = f"""
        {_oldest_of("ops.dead_letters", "resolved_at")}, stayed_dead AS (
            DELETE FROM ops.webhook_deliveries AS delivery
             WHERE id = ANY (ARRAY(SELECT delivery_id FROM gone
                                    WHERE resolution = 'discarded' AND delivery_id IS NOT NULL))
               AND state = 'dead'
               AND NOT EXISTS (SELECT FROM ops.dead_letters AS open
                                WHERE open.delivery_id = delivery.id
                                  AND open.kind = 'delivery' AND open.resolved_at IS NULL)
        )
"""  # noqa: S608 - as above


async def _delete(connection: Connection, bounds: Bounds, gone: str) -> Step:
    statement = f"{gone} SELECT count(*) AS rows, max(at) AS until FROM gone"  # noqa: S608 - ours
    record = await connection.fetchrow(statement, bounds.after, bounds.keep, bounds.at_most)
    return rows.one(Step, record)


async def delete_answers(connection: Connection, bounds: Bounds) -> Step:
    """Delete the oldest answers to requests that carried an idempotency key."""
    return await _delete(connection, bounds, _ANSWERS)


async def delete_throttles(connection: Connection, bounds: Bounds) -> Step:
    """Forget the oldest tries: they hold nobody up any more."""
    return await _delete(connection, bounds, _THROTTLES)


async def delete_tokens(connection: Connection, bounds: Bounds) -> Step:
    """Delete the refresh tokens that expired longest ago."""
    return await _delete(connection, bounds, _TOKENS)


async def delete_resets(connection: Connection, bounds: Bounds) -> Step:
    """Delete what let people choose a new password and expired longest ago."""
    return await _delete(connection, bounds, _RESETS)


async def delete_jobs(connection: Connection, bounds: Bounds) -> Step:
    """Delete the jobs that ended longest ago; one that failed waits for a person."""
    return await _delete(connection, bounds, _JOBS)


async def delete_deliveries(connection: Connection, bounds: Bounds) -> Step:
    """Delete what was delivered or skipped longest ago; the dead go with their dead letters."""
    return await _delete(connection, bounds, _DELIVERIES)


async def delete_dead_letters(connection: Connection, bounds: Bounds) -> Step:
    """Delete the dead letters that were resolved longest ago, and what was dead for good."""
    return await _delete(connection, bounds, _DEAD_LETTERS)


async def delete_consumptions(connection: Connection, bounds: Bounds) -> Step:
    """Delete what was consumed of days whose events are gone; ``keep`` is that of events.

    Not before: what was consumed keeps a replay from giving an event twice.
    """
    return await _delete(
        connection,
        bounds,
        """
        WITH missing AS (
            SELECT coalesce((lag(day) OVER (ORDER BY day) + 1)::timestamp AT TIME ZONE 'UTC',
                            '-infinity') AS since,
                   least(day::timestamp AT TIME ZONE 'UTC', now() - $2::interval) AS until
              FROM ops.kept_days
        ), gone AS (
            DELETE FROM ops.consumptions
             WHERE ctid = ANY (ARRAY(
                   SELECT old.ctid
                     FROM missing
                    CROSS JOIN LATERAL (
                          SELECT consumption.ctid
                            FROM ops.consumptions AS consumption
                           WHERE occurred_at >= greatest(missing.since, $1::timestamptz)
                             AND occurred_at < missing.until
                             AND state <> 'pending'
                             AND NOT EXISTS (SELECT FROM ops.dead_letters AS open
                                              WHERE open.consumption_id = consumption.id
                                                AND open.kind = 'consumption'
                                                AND open.resolved_at IS NULL)
                           ORDER BY occurred_at
                           LIMIT $3
                             FOR UPDATE OF consumption SKIP LOCKED) AS old
                    WHERE missing.since < missing.until
                    ORDER BY missing.since
                    LIMIT $3))
            RETURNING occurred_at AS at
        )
        """,
    )


async def list_old_days(connection: Connection, *, keep: timedelta) -> list[date]:
    """List the whole days older than ``keep`` that nothing open refers to, oldest first."""
    records = await connection.fetch(
        """
        WITH needed AS (
            SELECT (occurred_at AT TIME ZONE 'UTC')::date AS day FROM ops.outbox
             UNION
            SELECT (occurred_at AT TIME ZONE 'UTC')::date FROM ops.webhook_deliveries
             WHERE state IN ('pending', 'held')
             UNION
            SELECT (occurred_at AT TIME ZONE 'UTC')::date FROM ops.consumptions
             WHERE state = 'pending'
             UNION
            SELECT (occurred_at AT TIME ZONE 'UTC')::date FROM ops.dead_letters
             WHERE resolved_at IS NULL AND occurred_at IS NOT NULL
        )
        SELECT day
          FROM ops.kept_days
         WHERE day < ((now() - $1::interval) AT TIME ZONE 'UTC')::date
           AND day < (now() AT TIME ZONE 'UTC')::date - 1
           AND day NOT IN (SELECT day FROM needed)
         ORDER BY day
        """,
        keep + GRACE,
    )
    return [record["day"] for record in records]


async def forget_watermarks(connection: Connection, bounds: Bounds) -> Step:
    """Let go of watermarks of orders none of whose events is kept.

    Looks at as many as it may of those whose turn it is, so fewer may go. A later event of such an
    order restores its watermark: see ``storage.inbox.hold``.
    """
    gone = await connection.fetchval("SELECT ops.forget_watermarks($1)", bounds.at_most)
    return Step(gone, None)


async def drop_day(connection: Connection, day: date) -> bool:
    """Drop a day's events and inbox; false where a long query holds them: try again later."""
    try:
        await connection.execute("SELECT ops.drop_day($1)", day)
    except asyncpg.LockNotAvailableError:
        return False
    return True

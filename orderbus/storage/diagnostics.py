"""What operators and metrics ask of PostgreSQL: the server's facts, and what waits at each hop."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

from orderbus.storage import maintenance, rows
from orderbus.storage.database import Connection, Database


@dataclass(frozen=True, slots=True)
class Facts:
    """The server's version, its connections, and how far its clock is ahead of ours."""

    version: str
    max_connections: int
    reserved: int
    taken_by_others: int
    clock_ahead: timedelta
    round_trip: timedelta
    is_replica: bool
    durable: bool


async def facts(connection: Connection) -> Facts:
    """Ask for them; the clock is compared in the middle of a round trip."""
    await connection.fetchval("SELECT 1")  # the connection is made, so the next question is quick
    asked = datetime.now(UTC)
    clock: datetime = await connection.fetchval("SELECT clock_timestamp()")
    answered = datetime.now(UTC)
    record = await connection.fetchrow(
        """
        SELECT current_setting('server_version') AS version,
               current_setting('max_connections')::integer AS max_connections,
               current_setting('superuser_reserved_connections')::integer AS reserved,
               (SELECT count(*) FROM pg_stat_activity
                 WHERE backend_type = 'client backend'
                   AND application_name NOT LIKE 'orderbus%')::integer AS taken_by_others,
               pg_is_in_recovery() AS is_replica,
               current_setting('synchronous_commit') <> 'off'
                   AND current_setting('fsync') = 'on' AS durable
        """
    )
    ahead = clock - (asked + (answered - asked) / 2)
    return rows.one(Facts, record, clock_ahead=ahead, round_trip=answered - asked)


async def hears_notifications(database: Database, *, within: timedelta) -> bool:
    """Say whether a notification reaches a listener: who pools by transaction drops it."""
    channel = f"orderbus_doctor_{uuid4().hex[:12]}"
    async with database.listening(channel) as wait:
        await database.notify(channel)
        return await wait(within.total_seconds())


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits at each hop now; ages in seconds."""

    unpublished: int
    awaiting_return: int
    parked: int
    unconsumed: int
    undelivered: int
    held: int
    disabled_endpoints: int
    dead_letters: int
    running_jobs: int
    failed_jobs: int
    oldest_unpublished: float
    oldest_undelivered: float
    partition_days_ahead: int
    publishing_paused: bool


#: The rows behind each count.
_COUNTED: Final = {
    "unpublished": "ops.outbox WHERE due_at < 'infinity'",
    "awaiting_return": "ops.outbox WHERE published_at IS NOT NULL",
    "parked": "ops.dead_letters WHERE kind = 'outbox' AND resolved_at IS NULL",
    "unconsumed": "ops.consumptions WHERE state = 'pending'",
    "undelivered": "owed WHERE NOT disabled",
    "held": "owed WHERE disabled",
    "disabled_endpoints": "ops.webhook_endpoints WHERE disabled_at IS NOT NULL"
    " AND removed_at IS NULL",
    "dead_letters": "ops.dead_letters WHERE resolved_at IS NULL",
    "running_jobs": "ops.jobs WHERE state = 'running'",
    "failed_jobs": "ops.jobs WHERE state = 'failed'",
}
_COUNTS: Final = ", ".join(
    f"(SELECT count(*) FROM (SELECT FROM {counted} LIMIT 100000) AS few) AS {name}"  # noqa: S608 - ours
    for name, counted in _COUNTED.items()
)


async def backlog(connection: Connection) -> Backlog:
    """Count what waits at each hop; counts stop at 100,000, so that asking stays cheap."""
    record = await connection.fetchrow(
        f"""
        WITH owed AS NOT MATERIALIZED (
            SELECT disabled
              FROM (SELECT id, disabled_at IS NOT NULL AS disabled
                      FROM ops.webhook_endpoints
                     WHERE removed_at IS NULL) AS endpoint
             CROSS JOIN LATERAL (
                    SELECT FROM ops.webhook_deliveries
                     WHERE endpoint_id = endpoint.id AND state = 'pending'
                     LIMIT 100000) AS delivery
        )
        SELECT {_COUNTS},
               coalesce(extract(epoch FROM now() - (
                   SELECT min(occurred_at)
                     FROM (SELECT occurred_at FROM ops.outbox WHERE due_at < 'infinity'
                            ORDER BY due_at LIMIT 1000) AS oldest)), 0)::float
                   AS oldest_unpublished,
               coalesce(extract(epoch FROM now() - (
                   SELECT min(occurred_at)
                     FROM ops.webhook_endpoints AS endpoint
                    CROSS JOIN LATERAL (
                           SELECT occurred_at FROM ops.webhook_deliveries
                            WHERE endpoint_id = endpoint.id AND state = 'pending'
                            ORDER BY due_at LIMIT 1000) AS oldest
                    WHERE disabled_at IS NULL AND removed_at IS NULL)), 0)::float
                   AS oldest_undelivered,
               {maintenance.DAYS_AHEAD} AS partition_days_ahead,
               (SELECT opened_at IS NOT NULL FROM ops.relay_breaker) AS publishing_paused
        """  # noqa: S608 - as above
    )
    return rows.one(Backlog, record)

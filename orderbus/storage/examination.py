"""What does an operator want to know of PostgreSQL that the way of an order never asks?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

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
    row = await connection.fetchrow(
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
    assert row is not None  # noqa: S101 - one row, always
    return Facts(
        **row, clock_ahead=clock - (asked + (answered - asked) / 2), round_trip=answered - asked
    )


async def hears_notifications(database: Database, *, within: timedelta) -> bool:
    """Say whether a notification reaches who listens; a proxy that pools by transaction drops it.

    Raises ``Unavailable`` while PostgreSQL does not answer.
    """
    channel = f"orderbus_doctor_{uuid4().hex[:12]}"
    async with database.listening(channel) as wait:
        await database.notify(channel)
        return await wait(within.total_seconds())


async def end_frozen_sessions(connection: Connection, *, silent_for: timedelta) -> int:
    """End our sessions whose process stopped within a statement; returns how many.

    asyncpg has a statement parsed and then sends its values. A process that stands still in between
    holds its transaction's locks as long as that lasts: for PostgreSQL the session is active, so
    its limit for idle transactions does not apply, nor its limit for statements.
    """
    ended: int = await connection.fetchval(
        """
        SELECT count(*) FILTER (WHERE pg_terminate_backend(pid))
          FROM pg_stat_activity
         WHERE datname = current_database()
           AND usename = current_user
           AND application_name LIKE 'orderbus%'
           AND pid <> pg_backend_pid()
           AND state = 'active'
           AND wait_event = 'ClientRead'
           AND state_change < now() - $1::interval
        """,
        silent_for,
    )
    return ended

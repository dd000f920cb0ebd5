"""Partitions made for the days ahead, and sessions ended whose process stands still.

Each function is one statement, whose locks end with it on the server: a process that stops in the
middle holds none.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from orderbus.storage.database import Connection

#: How many days ahead of today the last partition is.
DAYS_AHEAD: Final = """
    coalesce((SELECT max(to_date(right(inhrelid::regclass::text, 8), 'YYYYMMDD'))
                FROM pg_inherits
               WHERE inhparent = 'ops.events'::regclass) - (now() AT TIME ZONE 'UTC')::date, 0)
"""


async def make_ahead(connection: Connection, *, days: int) -> int:
    """Make the partitions of today and the next ``days`` days where missing; returns how many.

    Skips at once where another process is making them; no order has to wait meanwhile. Never call
    it in a transaction: its locks would be held until that ends.
    """
    made = await connection.fetchval(
        """
        SELECT ops.make_partitions((now() AT TIME ZONE 'UTC')::date + $1::integer)
         WHERE pg_try_advisory_xact_lock(hashtext('orderbus partitions'))
        """,
        days,
    )
    return made or 0


async def count_grown(connection: Connection, *, rows: int) -> int:
    """Have tables counted that have so many rows by now and had fewer; returns how many.

    What was prepared while they were empty or tiny is planned anew then.
    """
    return await connection.fetchval("SELECT ops.count_grown($1)", rows)


async def horizon(connection: Connection) -> timedelta:
    """Tell how far ahead of now the last partition ends."""
    return timedelta(days=await connection.fetchval(f"SELECT {DAYS_AHEAD}"))


async def end_frozen_sessions(connection: Connection, *, silent_for: timedelta) -> int:
    """End our sessions whose process stopped within a statement; returns how many.

    asyncpg has a statement parsed and then sends its values. A process that stands still in between
    holds its transaction's locks as long as that lasts: for PostgreSQL the session is active, so
    its limit for idle transactions does not apply, nor its limit for statements.
    """
    return await connection.fetchval(
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

"""Daily partitions of the events and the inbox: made ahead, and dropped when old.

Each function that changes something is one statement, whose locks end with it on the server: a
process that stops in the middle holds none.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

import asyncpg

from orderbus.storage.database import Connection

#: A replay that began just inside the time that is kept is over before its day may go.
GRACE: Final = timedelta(hours=1)


async def make_ahead(connection: Connection, *, days: int) -> int:
    """Make the partitions of today and the next ``days`` days where missing; returns how many.

    Skips at once where another process is making them; no order has to wait meanwhile. Never call
    it in a transaction: its locks would be held until that ends.
    """
    made: int | None = await connection.fetchval(
        """
        SELECT ops.make_partitions((now() AT TIME ZONE 'UTC')::date + $1::integer)
         WHERE pg_try_advisory_xact_lock(hashtext('orderbus partitions'))
        """,
        days,
    )
    return made or 0


async def horizon(connection: Connection) -> timedelta:
    """Tell how far ahead of now the last partition ends."""
    last: date | None = await connection.fetchval(
        """
        SELECT max(to_date(right(inhrelid::regclass::text, 8), 'YYYYMMDD'))
          FROM pg_inherits
         WHERE inhparent = 'ops.events'::regclass
        """
    )
    today: date = await connection.fetchval("SELECT (now() AT TIME ZONE 'UTC')::date")
    return timedelta(0) if last is None else last - today


async def list_old(connection: Connection, *, keep: timedelta) -> list[date]:
    """List the whole days older than ``keep`` that nothing needs any more, oldest first.

    A day is needed while a pointer, an open delivery or consumption, or an undecided dead letter
    refers to it.
    """
    rows = await connection.fetch(
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
           AND day NOT IN (SELECT day FROM needed)
         ORDER BY day
        """,
        keep + GRACE,
    )
    return [row["day"] for row in rows]


async def drop(connection: Connection, day: date) -> bool:
    """Drop a day's events and inbox; false where a long query holds them: try again later."""
    try:
        await connection.execute("SELECT ops.drop_day($1)", day)
    except asyncpg.LockNotAvailableError:
        return False
    return True

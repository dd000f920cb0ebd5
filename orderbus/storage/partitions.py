"""Are there daily partitions for the days ahead, and which of the past may go?"""

from __future__ import annotations

from datetime import date, timedelta

from orderbus.storage.database import Connection


async def make_ahead(connection: Connection, *, days: int) -> int:
    """Make the partitions of today and the next ``days`` days where missing; returns how many.

    Skips at once where another process is making them. Gives up after a second where a long
    query holds the table: waiting longer would make every order wait behind us.
    """
    await connection.execute("SET LOCAL lock_timeout = '1s'")
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


async def drop_old(connection: Connection, *, keep: timedelta) -> list[str]:
    """Drop whole days older than ``keep`` that nothing needs any more; returns their names.

    A day stays while a pointer, an open delivery or consumption, or an undecided dead letter refers
    to it; what was consumed of it goes with it. Gives
    up after a second where a long query holds the table.
    """
    await connection.execute("SET LOCAL lock_timeout = '1s'")
    rows = await connection.fetch(
        """
        WITH days AS (
            SELECT to_date(right(inhrelid::regclass::text, 8), 'YYYYMMDD') AS day
              FROM pg_inherits
             WHERE inhparent = 'ops.events'::regclass
        ), needed AS (
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
        SELECT to_char(day, 'YYYYMMDD') AS name
          FROM days
         WHERE day < ((now() - $1::interval) AT TIME ZONE 'UTC')::date
           AND day NOT IN (SELECT day FROM needed)
         ORDER BY day
        """,
        keep,
    )
    names = [row["name"] for row in rows]
    for name in names:
        # The name is eight digits from the catalogue: nothing else can be quoted in here.
        await connection.execute(f"DROP TABLE ops.events_{name}, ops.inbox_{name}")
    if names:
        await connection.execute(
            """
            DELETE FROM ops.consumptions
             USING unnest($1::text[]::date[]) AS gone (day)
             WHERE state = 'done'
               AND occurred_at >= day::timestamp AT TIME ZONE 'UTC'
               AND occurred_at < (day + 1)::timestamp AT TIME ZONE 'UTC'
            """,
            names,
        )
    return names

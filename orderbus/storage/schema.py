"""Whether the database has the schema this version needs, and a place for what comes today."""

from __future__ import annotations

from typing import Final

from orderbus.storage.database import Connection

#: The newest of ``migrations/`` (a test compares); one that a later version added is no fault.
NEWEST: Final = "0039.moved-on-by-the-owner"


async def missing(connection: Connection) -> list[str]:
    """Name what is missing of ``schema``, the newest migration, and today's ``partitions``."""
    (row,) = await connection.fetch(
        """
        SELECT to_regclass('_yoyo_migration') IS NOT NULL AS is_migrated,
               (SELECT count(*)
                  FROM pg_inherits
                 WHERE inhparent IN (to_regclass('ops.events'), to_regclass('ops.inbox'))
                   AND right(inhrelid::regclass::text, 8)
                       = to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD')) = 2 AS has_today
        """
    )
    applied = row["is_migrated"] and await connection.fetchval(
        "SELECT EXISTS (SELECT FROM _yoyo_migration WHERE migration_id = $1)", NEWEST
    )
    there = {"schema": applied, "partitions": row["has_today"]}
    return [name for name, is_there in there.items() if not is_there]

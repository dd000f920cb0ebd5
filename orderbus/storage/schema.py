"""Whether the database has the schema this version needs, and a place for what comes today."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from orderbus.storage.database import Connection

#: The newest of ``migrations/`` (a test compares); one that a later version added is no fault.
NEWEST: Final = "0018.updates-in-place"


@dataclass(frozen=True, slots=True)
class Level:
    """What is there of what this version needs."""

    is_new_enough: bool
    has_today: bool


async def level(connection: Connection) -> Level:
    """Look for the newest migration and for today's partitions; changes nothing."""
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
    return Level(bool(applied), row["has_today"])

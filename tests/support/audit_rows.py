"""The audit trail."""

from __future__ import annotations

from datetime import datetime

from orderbus.storage.database import Connection, Database
from tests.support.scenario import value


async def written(database: Database) -> str:
    """All that is written down there."""
    found: str = await value(
        database,
        "SELECT coalesce(string_agg(to_jsonb(entry)::text, ' '), '') FROM ops.audit_log entry",
    )
    return found


async def count(database: Database) -> int:
    """How many acts are written down."""
    return int(await value(database, "SELECT count(*) FROM ops.audit_log"))


async def change_actor(database: Database, actor: str) -> None:
    """Try to deceive whoever reads it."""
    await value(database, "UPDATE ops.audit_log SET actor = $1", actor)


async def add_many(connection: Connection, began: datetime, count: int) -> None:
    """Add entries of the audit trail, one a minute; of one actor there are a few, the oldest."""
    await connection.execute(
        """
        INSERT INTO ops.audit_log (at, actor, action, subject_type, subject_id)
        SELECT $1::timestamptz + n * interval '1 minute',
               CASE WHEN n <= 5 THEN 'command:rare' ELSE 'command:ann' END,
               'endpoint.tested', 'endpoint', 's-' || n
          FROM generate_series(1, $2::integer) AS n
        """,
        began,
        count,
    )
    await connection.execute("ANALYZE ops.audit_log")

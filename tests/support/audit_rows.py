"""The audit trail."""

from __future__ import annotations

from orderbus.storage.database import Database
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

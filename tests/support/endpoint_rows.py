"""The endpoints to which webhooks go."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from orderbus.storage.database import Database
from tests.support.scenario import value


async def only_id(database: Database) -> UUID:
    """The one endpoint there is."""
    found: UUID = await value(database, "SELECT id FROM ops.webhook_endpoints")
    return found


async def disabled_at(database: Database) -> datetime | None:
    """Since when the one endpoint there is gets nothing."""
    found: datetime | None = await value(database, "SELECT disabled_at FROM ops.webhook_endpoints")
    return found


async def disable(
    database: Database, reason: str = "for a test", *, only: UUID | None = None
) -> None:
    """Send nothing more to any endpoint, or only to one."""
    await value(
        database,
        "UPDATE ops.webhook_endpoints SET disabled_at = now(), disabled_reason = $1"
        " WHERE $2::uuid IS NULL OR id = $2",
        reason,
        only,
    )

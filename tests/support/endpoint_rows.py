"""The endpoints to which webhooks go."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from orderbus.storage.database import Connection, Database
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


async def remove_all(database: Database) -> None:
    """Let every endpoint be removed; what it is owed stays as it is."""
    await value(database, "UPDATE ops.webhook_endpoints SET removed_at = now()")


async def add_as_first_kept(database: Database, pattern: str) -> None:
    """Add an endpoint as the first version with patterns kept it: older schemas take it, too."""
    await value(
        database,
        "INSERT INTO ops.webhook_endpoints (url, secrets, format, events)"
        " VALUES ('https://shop.example/', '{whsec_x}', 'event', ARRAY[$1])",
        pattern,
    )


async def lock(connection: Connection, endpoint: UUID) -> None:
    """Lock an endpoint, as a person in ``psql`` may."""
    await connection.execute("SELECT FROM ops.webhook_endpoints WHERE id = $1 FOR UPDATE", endpoint)


async def end_old_secrets(database: Database) -> None:
    """Let the time be over for which old secrets sign beside the newest."""
    await value(
        database,
        "UPDATE ops.webhook_endpoints SET old_secrets_until = now() - interval '1 s'"
        " WHERE old_secrets_until IS NOT NULL",
    )


async def secrets(database: Database) -> list[str]:
    """The secrets of the one endpoint there is."""
    found: list[str] = await value(database, "SELECT secrets FROM ops.webhook_endpoints")
    return found

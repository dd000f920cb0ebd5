"""An endpoint is changed: locked, then written as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from orderbus.errors import NotFound
from orderbus.storage import rows
from orderbus.storage.database import Connection


@dataclass(frozen=True, slots=True)
class Kept:
    """An endpoint with all that is kept of it; ``now`` is when it was locked.

    Each of ``secrets`` signs: the newest comes first, the others go at ``old_secrets_until``.
    """

    id: UUID
    url: str
    secrets: Sequence[str]
    old_secrets_until: datetime | None
    format: str
    ordering: str
    events: Sequence[str]
    headers: Mapping[str, str]
    trace: bool
    built_in: bool
    disabled_at: datetime | None
    disabled_reason: str | None
    now: datetime


_LOCK: Final = """
    SELECT id, url, format, ordering, events, headers, trace, built_in, disabled_at,
           disabled_reason, now() AS now,
           CASE WHEN old_secrets_until <= now() THEN secrets[1:1] ELSE secrets END AS secrets,
           CASE WHEN old_secrets_until > now() THEN old_secrets_until END AS old_secrets_until
      FROM ops.webhook_endpoints
     WHERE removed_at IS NULL AND (id = $1 OR $1 IS NULL AND built_in)
       FOR NO KEY UPDATE
"""


async def lock(connection: Connection, endpoint_id: UUID) -> Kept:
    """Take an endpoint for the length of the transaction. Raises ``NotFound``."""
    record = await connection.fetchrow(_LOCK, endpoint_id)
    if record is None:
        raise NotFound(f"No endpoint {endpoint_id}")
    return rows.one(Kept, record)


async def lock_built_in(connection: Connection) -> Kept | None:
    """Take the built-in endpoint, if there is one."""
    record = await connection.fetchrow(_LOCK, None)
    return None if record is None else rows.one(Kept, record)


async def write(connection: Connection, kept: Kept) -> None:
    """Write a locked endpoint as it is to be from now on.

    Where it is enabled, or has another URL, what it is owed is due: ``owed.release`` sees to it.
    """
    await connection.execute(
        """
        UPDATE ops.webhook_endpoints
           SET url = $2, secrets = $3, old_secrets_until = $4, format = $5, events = $6,
               headers = $7, trace = $8, disabled_at = $9::timestamptz, disabled_reason = $10,
               due_until = CASE
                   WHEN url <> $2 OR disabled_at IS NOT NULL AND $9::timestamptz IS NULL
                   THEN 'infinity' ELSE due_until END
         WHERE id = $1
        """,
        kept.id,
        kept.url,
        kept.secrets,
        kept.old_secrets_until,
        kept.format,
        kept.events,
        kept.headers,
        kept.trace,
        kept.disabled_at,
        kept.disabled_reason,
    )


async def count_owed(connection: Connection, endpoint_id: UUID) -> int:
    """Count what an endpoint did not get yet."""
    return await connection.fetchval(
        "SELECT count(*) FROM ops.webhook_deliveries WHERE endpoint_id = $1 AND state = 'pending'",
        endpoint_id,
    )


async def drop_old_secrets(connection: Connection) -> int:
    """Forget secrets whose time is over; they sign nothing any more. Returns of how many.

    One statement says who does it, too, so that no transaction stays open.
    """
    status = await connection.execute(
        """
        UPDATE ops.webhook_endpoints
           SET secrets = secrets[1:1], old_secrets_until = NULL
          FROM (SELECT set_config('orderbus.actor', 'dispatcher', true),
                       set_config('orderbus.action', 'endpoint.old_secrets_dropped', true)) AS said
         WHERE id IN (SELECT id
                        FROM ops.webhook_endpoints
                       WHERE old_secrets_until <= now()
                       ORDER BY id
                         FOR NO KEY UPDATE SKIP LOCKED)
        """
    )
    return int(status.removeprefix("UPDATE "))

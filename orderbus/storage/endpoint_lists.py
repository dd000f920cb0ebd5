"""The endpoints as people see them: without secrets, and of their own headers only the names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from orderbus.errors import NotFound
from orderbus.storage import rows
from orderbus.storage.database import Connection


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint without its secrets; ``pending`` and ``held`` count the deliveries it is owed.

    ``headers`` are the names of its own. After ``old_secrets_until`` its newest secret alone signs.
    """

    id: UUID
    url: str
    events: Sequence[str]
    format: str
    ordering: str
    headers: Sequence[str]
    trace: bool
    built_in: bool
    created_at: datetime
    old_secrets_until: datetime | None
    disabled_at: datetime | None
    disabled_reason: str | None
    pending: int
    held: int


_SHOWN: Final = """
    SELECT endpoint.id, url, events, format, ordering, trace, built_in, created_at, disabled_at,
           disabled_reason,
           ARRAY(SELECT jsonb_object_keys(headers) ORDER BY 1) AS headers,
           CASE WHEN old_secrets_until > now() THEN old_secrets_until END AS old_secrets_until,
           CASE WHEN disabled_at IS NULL THEN owed ELSE 0 END AS pending,
           CASE WHEN disabled_at IS NULL THEN 0 ELSE owed END AS held
      FROM ops.webhook_endpoints AS endpoint
     CROSS JOIN LATERAL (SELECT count(*) AS owed
                           FROM ops.webhook_deliveries
                          WHERE endpoint_id = endpoint.id AND state = 'pending') AS deliveries
     WHERE removed_at IS NULL
"""


async def list_all(connection: Connection) -> list[Endpoint]:
    """List the endpoints that were not removed, oldest first."""
    records = await connection.fetch(f"{_SHOWN} ORDER BY created_at, endpoint.id")
    return rows.many(Endpoint, records)


async def list_page(connection: Connection, *, after: UUID | None, at_most: int) -> list[Endpoint]:
    """List endpoints as ``list_all``, those that come after another one, removed or not."""
    records = await connection.fetch(
        f"""
        {_SHOWN}
           AND ($1::uuid IS NULL OR (created_at, endpoint.id) > (
                SELECT created_at, id FROM ops.webhook_endpoints WHERE id = $1))
         ORDER BY created_at, endpoint.id
         LIMIT $2
        """,  # noqa: S608 - a constant of ours
        after,
        at_most,
    )
    return rows.many(Endpoint, records)


async def get(connection: Connection, endpoint_id: UUID) -> Endpoint:
    """Show one endpoint. Raises ``NotFound``."""
    record = await connection.fetchrow(f"{_SHOWN} AND endpoint.id = $1", endpoint_id)
    if record is None:
        raise NotFound(f"No endpoint {endpoint_id}")
    return rows.one(Endpoint, record)

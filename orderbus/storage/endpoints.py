"""Who wants to be told, and where?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from orderbus.errors import NotFound
from orderbus.storage.database import Connection


async def add(
    connection: Connection,
    *,
    url: str,
    secrets: Sequence[str],
    format: str,  # noqa: A002 - the column's name
    ordering: str,
    events: Sequence[str],
) -> UUID:
    """Add an endpoint; it is owed every event of these types that comes back from now on."""
    endpoint_id: UUID = await connection.fetchval(
        """
        INSERT INTO ops.webhook_endpoints (url, secrets, format, ordering, events)
        VALUES ($1, $2, $3, $4, $5)
        RETURNING id
        """,
        url,
        secrets,
        format,
        ordering,
        events,
    )
    return endpoint_id


async def keep_built_in(
    connection: Connection, *, url: str, secret: str, given: bool, events: Sequence[str]
) -> None:
    """Make the built-in endpoint, or bring it up to date; its secret changes only if ``given``."""
    await connection.execute(
        """
        INSERT INTO ops.webhook_endpoints (url, secrets, format, events, built_in)
        VALUES ($1, ARRAY[$2], 'compact', $4, true)
        ON CONFLICT (built_in) WHERE built_in AND removed_at IS NULL
        DO UPDATE SET url = $1, events = $4,
                      secrets = CASE WHEN $3 THEN ARRAY[$2] ELSE webhook_endpoints.secrets END
            WHERE webhook_endpoints.url <> $1 OR webhook_endpoints.events <> $4
               OR $3 AND webhook_endpoints.secrets <> ARRAY[$2]
        """,
        url,
        secret,
        given,
        events,
    )


async def list_all(connection: Connection) -> list[dict[str, Any]]:
    """List the endpoints that were not removed, with what each is owed; never their secrets."""
    rows = await connection.fetch(
        """
        SELECT endpoint.id, url, events, format, ordering, built_in, created_at, disabled_at,
               disabled_reason,
               (SELECT count(*) FROM ops.webhook_deliveries AS delivery
                 WHERE delivery.endpoint_id = endpoint.id AND state = 'pending') AS pending,
               (SELECT count(*) FROM ops.webhook_deliveries AS delivery
                 WHERE delivery.endpoint_id = endpoint.id AND state = 'held') AS held
          FROM ops.webhook_endpoints AS endpoint
         WHERE removed_at IS NULL
         ORDER BY created_at, endpoint.id
        """
    )
    return [dict(row) for row in rows]


async def get_secret(connection: Connection, endpoint_id: UUID) -> str:
    """Show the secret an endpoint's receiver verifies with. Raises ``NotFound``."""
    secret: str | None = await connection.fetchval(
        "SELECT secrets[1] FROM ops.webhook_endpoints WHERE id = $1 AND removed_at IS NULL",
        endpoint_id,
    )
    if secret is None:
        raise NotFound(f"No endpoint {endpoint_id}")
    return secret


async def remove(connection: Connection, endpoint_id: UUID) -> int:
    """Stop telling an endpoint; what it is still owed is skipped and counted.

    Its deliveries and attempts stay readable. Raises ``NotFound``.
    """
    row = await connection.fetchrow(
        """
        WITH removed AS (
            UPDATE ops.webhook_endpoints SET removed_at = now()
             WHERE id = $1 AND removed_at IS NULL
            RETURNING id
        ), skipped AS (
            UPDATE ops.webhook_deliveries AS delivery
               SET state = 'skipped', settled_at = now(), lease = NULL, leased_until = NULL
              FROM removed
             WHERE delivery.endpoint_id = removed.id AND state IN ('pending', 'held')
            RETURNING 1
        )
        SELECT (SELECT count(*) FROM skipped) AS skipped FROM removed
        """,
        endpoint_id,
    )
    if row is None:
        raise NotFound(f"No endpoint {endpoint_id}")
    return int(row["skipped"])


async def enable(connection: Connection, endpoint_id: UUID) -> int:
    """Tell a disabled endpoint again; what was held is due now and counted. Raises ``NotFound``."""
    row = await connection.fetchrow(
        """
        WITH enabled AS (
            UPDATE ops.webhook_endpoints SET disabled_at = NULL, disabled_reason = NULL
             WHERE id = $1 AND removed_at IS NULL
            RETURNING id
        ), released AS (
            UPDATE ops.webhook_deliveries AS delivery
               SET state = 'pending', due_at = least(due_at, now()), hinted_at = NULL
              FROM enabled
             WHERE delivery.endpoint_id = enabled.id AND state = 'held'
            RETURNING 1
        )
        SELECT (SELECT count(*) FROM released) AS released FROM enabled
        """,
        endpoint_id,
    )
    if row is None:
        raise NotFound(f"No endpoint {endpoint_id}")
    return int(row["released"])

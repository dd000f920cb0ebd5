"""The API keys that may read and change orders; only their hashes are kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from orderbus.errors import NotFound
from orderbus.storage import rows
from orderbus.storage.database import Connection


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it may be shown: nothing of it could be used as one."""

    id: int
    name: str
    created_at: datetime
    revoked_at: datetime | None


async def add(connection: Connection, *, name: str, key_hash: bytes) -> int:
    """Keep a key's hash; returns the key's id."""
    return await connection.fetchval(
        "INSERT INTO identity.api_keys (name, key_hash) VALUES ($1, $2) RETURNING id",
        name,
        key_hash,
    )


async def holder(connection: Connection, key_hash: bytes) -> str | None:
    """Name the key with this hash as the history names it; None if there is none, or revoked."""
    return await connection.fetchval(
        "SELECT 'key ' || id || ' ' || name FROM identity.api_keys"
        " WHERE key_hash = $1 AND revoked_at IS NULL",
        key_hash,
    )


async def list_all(connection: Connection) -> list[ApiKey]:
    """List all keys, oldest first."""
    records = await connection.fetch(
        "SELECT id, name, created_at, revoked_at FROM identity.api_keys ORDER BY id"
    )
    return rows.many(ApiKey, records)


async def revoke(connection: Connection, key_id: int) -> str:
    """Refuse a key from now on; returns its name. Raises ``NotFound``."""
    name: str | None = await connection.fetchval(
        "UPDATE identity.api_keys SET revoked_at = now()"
        " WHERE id = $1 AND revoked_at IS NULL RETURNING name",
        key_id,
    )
    if name is None:
        raise NotFound(f"No valid API key {key_id}")
    return name

"""Which API keys may read and change orders? Only their hashes are kept."""

from __future__ import annotations

from typing import Any

from orderbus.errors import NotFound
from orderbus.storage.database import Connection


async def add(connection: Connection, *, name: str, key_hash: bytes) -> int:
    """Keep a key's hash; returns the key's id."""
    key_id: int = await connection.fetchval(
        "INSERT INTO identity.api_keys (name, key_hash) VALUES ($1, $2) RETURNING id",
        name,
        key_hash,
    )
    return key_id


async def holder(connection: Connection, key_hash: bytes) -> str | None:
    """Name the key with this hash as the history names it; None if there is none, or revoked."""
    found: str | None = await connection.fetchval(
        "SELECT 'key ' || id || ' ' || name FROM identity.api_keys"
        " WHERE key_hash = $1 AND revoked_at IS NULL",
        key_hash,
    )
    return found


async def list_all(connection: Connection) -> list[dict[str, Any]]:
    """List all keys without anything that could be used as one."""
    rows = await connection.fetch(
        "SELECT id, name, created_at, revoked_at FROM identity.api_keys ORDER BY id"
    )
    return [dict(row) for row in rows]


async def revoke(connection: Connection, key_id: int) -> None:
    """Refuse a key from now on. Raises ``NotFound``."""
    status = await connection.execute(
        "UPDATE identity.api_keys SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL",
        key_id,
    )
    if status != "UPDATE 1":
        raise NotFound(f"No valid API key {key_id}")

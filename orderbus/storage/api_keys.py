"""The API keys, and what each may do; only their hashes are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

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
    owner: str | None
    scopes: list[str]
    expires_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a key, as the history names them, and what they may do with it."""

    id: int
    name: str
    scopes: list[str]
    is_use_noted: bool


async def add(
    connection: Connection,
    *,
    name: str,
    key_hash: bytes,
    scopes: Sequence[str],
    owner_id: int | None = None,
    expires_at: datetime | None = None,
) -> int:
    """Keep a key's hash; returns the key's id."""
    return await connection.fetchval(
        """
        INSERT INTO identity.api_keys (name, key_hash, scopes, owner_id, expires_at)
        VALUES ($1, $2, $3, $4, $5)
        RETURNING id
        """,
        name,
        key_hash,
        list(scopes),
        owner_id,
        expires_at,
    )


async def holder(
    connection: Connection, key_hash: bytes, *, noted_every: timedelta
) -> Holder | None:
    """Name the holder of the key with this hash.

    None if there is none, if it is revoked or has expired, or if its owner is disabled. Whether its
    use was noted of late goes with it.
    """
    record = await connection.fetchrow(
        """
        SELECT keys.id, 'key ' || keys.id || ' ' || keys.name AS name, scopes,
               coalesce(last_used_at > now() - $2::interval, false) AS is_use_noted
          FROM identity.api_keys AS keys
          LEFT JOIN identity.users AS owner ON owner.id = owner_id
         WHERE key_hash = $1
           AND revoked_at IS NULL
           AND (expires_at IS NULL OR expires_at > now())
           AND owner.disabled_at IS NULL
        """,
        key_hash,
        noted_every,
    )
    return rows.one(Holder, record) if record else None


async def note_use(connection: Connection, key_id: int) -> None:
    """Note that a key is used now; nobody waits for somebody else who notes it."""
    await connection.execute(
        """
        UPDATE identity.api_keys
           SET last_used_at = now()
         WHERE id = (SELECT id FROM identity.api_keys WHERE id = $1 FOR UPDATE SKIP LOCKED)
        """,
        key_id,
    )


async def list_all(connection: Connection) -> list[ApiKey]:
    """List all keys, oldest first."""
    records = await connection.fetch(
        """
        SELECT keys.id, name, keys.created_at, revoked_at, owner.username AS owner, scopes,
               expires_at, last_used_at
          FROM identity.api_keys AS keys
          LEFT JOIN identity.users AS owner ON owner.id = owner_id
         ORDER BY keys.id
        """
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

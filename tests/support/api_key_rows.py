"""What is kept of API keys."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import timedelta

from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.support.scenario import value


async def only(database: Database) -> str:
    """All that is kept of the one API key there is."""
    return str(await value(database, "SELECT to_jsonb(k)::text FROM identity.api_keys k"))


async def hash_of_only(database: Database) -> str:
    """The hash of the one API key there is, in hex."""
    return str(await value(database, "SELECT encode(key_hash, 'hex') FROM identity.api_keys"))


async def add_as_before_scopes(database: Database, settings: Settings, name: str) -> str:
    """Add a key as the version before did, which knew nothing of scopes; returns the key."""
    key = f"obk_{secrets.token_urlsafe(32)}"
    secret = settings.secret_key.get_secret_value().encode()
    await value(
        database,
        "INSERT INTO identity.api_keys (name, key_hash) VALUES ($1, $2) RETURNING id",
        name,
        hmac.digest(secret, key.encode(), hashlib.sha256),
    )
    return key


async def end(database: Database, time: timedelta) -> None:
    """Let the end of every key be so much earlier."""
    await value(
        database, "UPDATE identity.api_keys SET expires_at = expires_at - $1::interval", time
    )


async def use_before(database: Database, time: timedelta) -> None:
    """Let every key have been used so much earlier."""
    await value(
        database, "UPDATE identity.api_keys SET last_used_at = last_used_at - $1::interval", time
    )


async def give_scope_of_later(database: Database, scope: str) -> None:
    """Give every key a scope that this version does not know."""
    await value(database, "ALTER TABLE identity.api_keys DROP CONSTRAINT api_keys_scopes_check")
    await value(database, "UPDATE identity.api_keys SET scopes = scopes || $1::text", scope)

"""Makes and checks the API keys that may read and change orders."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Final

from orderbus import storage
from orderbus.domain.text import brief
from orderbus.errors import Invalid, Unauthenticated
from orderbus.settings import Settings
from orderbus.storage.database import Connection, Database

#: Characters of a name, as the table admits them.
_LONGEST_NAME: Final = 100
_LOOKS_RIGHT: Final = re.compile(r"obk_[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key that was just made: its id, and what its holder has to present."""

    id: int
    key: str


async def create(database: Database, settings: Settings, *, name: str, actor: str) -> NewApiKey:
    """Make an API key, shown here alone: only its keyed hash is kept. Raises ``Invalid``."""
    if not 1 <= len(name) <= _LONGEST_NAME or not name.isprintable():
        message = f"NAME must be 1 to {_LONGEST_NAME} printable characters, got {brief(name)!r}"
        raise Invalid(message)
    key = f"obk_{secrets.token_urlsafe(32)}"
    async with database.transaction() as connection:
        key_id = await storage.api_keys.add(connection, name=name, key_hash=_hash(settings, key))
        await _note(connection, actor, "created", key_id, name)
    return NewApiKey(key_id, key)


async def revoke(database: Database, key_id: int, *, actor: str) -> None:
    """Refuse a key from now on. Raises ``NotFound``, also where it was revoked before."""
    async with database.transaction() as connection:
        name = await storage.api_keys.revoke(connection, key_id)
        await _note(connection, actor, "revoked", key_id, name)


async def check(database: Database, settings: Settings, presented: str) -> str:
    """Name the holder of a valid key; raises ``Unauthenticated``, ``Unavailable``."""
    if _LOOKS_RIGHT.fullmatch(presented):  # anything else costs no query
        holder = await database.ask(storage.api_keys.holder, _hash(settings, presented))
        if holder is not None:
            return holder
    raise Unauthenticated("The API key is not valid")


async def _note(connection: Connection, actor: str, action: str, key_id: int, name: str) -> None:
    await storage.audit.add(
        connection,
        actor=actor,
        action=f"api_key.{action}",
        subject_type="api_key",
        subject_id=key_id,
        after={"name": name},
    )


def _hash(settings: Settings, key: str) -> bytes:
    secret = settings.secret_key.get_secret_value().encode()
    return hmac.digest(secret, key.encode(), hashlib.sha256)

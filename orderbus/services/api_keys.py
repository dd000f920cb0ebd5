"""Makes and checks the API keys, each of which may do what its scopes say."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from orderbus import storage
from orderbus.domain.rights import BEFORE_SCOPES, Caller, Scope
from orderbus.domain.text import brief
from orderbus.errors import Invalid, Unauthenticated, Unavailable
from orderbus.settings import Settings
from orderbus.storage.database import Database

#: Characters of a name, as the table admits them.
_LONGEST_NAME: Final = 100
#: How exact it is when a key was used last: a row that is written at each request is dear.
NOTED_EVERY: Final = timedelta(minutes=1)
_LOOKS_RIGHT: Final = re.compile(r"obk_[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key that was just made: its id, and what its holder has to present."""

    id: int
    key: str


async def create(
    database: Database,
    settings: Settings,
    *,
    name: str,
    actor: str,
    scopes: Collection[Scope] = BEFORE_SCOPES,
    owner_id: int | None = None,
    expires_at: datetime | None = None,
) -> NewApiKey:
    """Make an API key, shown here alone: only its keyed hash is kept. Raises ``Invalid``.

    Where nobody says what it may do, it may do what every key could before keys had scopes.
    """
    if not 1 <= len(name) <= _LONGEST_NAME or not name.isprintable():
        message = f"NAME must be 1 to {_LONGEST_NAME} printable characters, got {brief(name)!r}"
        raise Invalid(message)
    key = f"obk_{secrets.token_urlsafe(32)}"
    async with database.transaction() as connection:
        await storage.audit.begin(connection, actor=actor, action="api_key.created")
        key_id = await storage.api_keys.add(
            connection,
            name=name,
            key_hash=_hash(settings, key),
            scopes=[scope for scope in Scope if scope in scopes],
            owner_id=owner_id,
            expires_at=expires_at,
        )
    return NewApiKey(key_id, key)


async def revoke(database: Database, key_id: int, *, actor: str) -> None:
    """Refuse a key from now on. Raises ``NotFound``, also where it was revoked before."""
    async with database.transaction() as connection:
        await storage.audit.begin(connection, actor=actor, action="api_key.revoked")
        await storage.api_keys.revoke(connection, key_id)


async def check(database: Database, settings: Settings, presented: str) -> Caller:
    """Name the holder of a valid key, and what it may do.

    Scopes that a later version gave out mean nothing here. Raises ``Unauthenticated``,
    ``Unavailable``.
    """
    if _LOOKS_RIGHT.fullmatch(presented):  # anything else costs no query
        holder = await database.ask(
            storage.api_keys.holder, _hash(settings, presented), noted_every=NOTED_EVERY
        )
        if holder is not None:
            if not holder.is_use_noted:
                with suppress(Unavailable):  # what the key is used for does not wait for it
                    await database.ask(storage.api_keys.note_use, holder.id)
            known = {scope for scope in Scope if scope in holder.scopes}
            return Caller(holder.name, frozenset(known))
    raise Unauthenticated("The API key is not valid")


def _hash(settings: Settings, key: str) -> bytes:
    secret = settings.secret_key.get_secret_value().encode()
    return hmac.digest(secret, key.encode(), hashlib.sha256)

"""What is kept of API keys."""

from __future__ import annotations

from orderbus.storage.database import Database
from tests.support.scenario import value


async def only(database: Database) -> str:
    """All that is kept of the one API key there is."""
    return str(await value(database, "SELECT to_jsonb(k)::text FROM identity.api_keys k"))


async def hash_of_only(database: Database) -> str:
    """The hash of the one API key there is, in hex."""
    return str(await value(database, "SELECT encode(key_hash, 'hex') FROM identity.api_keys"))

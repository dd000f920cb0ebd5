"""The idempotency keys whose answers are kept."""

from __future__ import annotations

from datetime import timedelta

from orderbus.storage.database import Database
from tests.support.scenario import value


async def kept(database: Database) -> list[str]:
    """Every key, in alphabetical order."""
    query = "SELECT array_agg(key ORDER BY key) FROM ops.idempotency_keys"
    return await value(database, query) or []


async def grow_old(database: Database, *, days: int) -> None:
    """Let days pass since every key was used first."""
    await value(
        database,
        "UPDATE ops.idempotency_keys SET created_at = now() - $1::interval",
        timedelta(days=days),
    )

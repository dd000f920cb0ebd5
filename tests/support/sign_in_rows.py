"""What is kept of sign-ins, old and new."""

from __future__ import annotations

from orderbus.storage.database import Database
from tests.support.scenario import value

_COUNTED = {
    "throttles": "SELECT count(*) FROM identity.throttles",
    "tokens": "SELECT count(*) FROM identity.refresh_tokens",
    "resets": "SELECT count(*) FROM identity.password_resets",
}


async def add(database: Database, user_id: int, *, ended: str) -> None:
    """Add one of each for somebody, which ended so long ago."""
    await value(
        database,
        """
        WITH tried AS (
            INSERT INTO identity.throttles (subject, began_at)
            VALUES ('address:' || gen_random_uuid(), now() - $2::text::interval)
        ), given AS (
            INSERT INTO identity.refresh_tokens (jti, family, user_id, expires_at)
            VALUES (gen_random_uuid(), gen_random_uuid(), $1, now() - $2::text::interval)
        )
        INSERT INTO identity.password_resets (token_hash, user_id, expires_at)
        VALUES (sha256(gen_random_uuid()::text::bytea), $1, now() - $2::text::interval)
        """,
        user_id,
        ended,
    )


async def counts(database: Database) -> dict[str, int]:
    """How many there are of each."""
    return {name: await value(database, query) for name, query in _COUNTED.items()}

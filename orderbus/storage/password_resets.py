"""One-time tokens by which somebody chooses a new password; only their hashes are kept."""

from __future__ import annotations

from datetime import timedelta

from orderbus.storage.database import Connection


async def add(
    connection: Connection, *, token_hash: bytes, user_id: int, good_for: timedelta
) -> None:
    """Keep a token that is given out; those that were given to the same person before are gone."""
    await connection.execute("DELETE FROM identity.password_resets WHERE user_id = $1", user_id)
    await connection.execute(
        """
        INSERT INTO identity.password_resets (token_hash, user_id, expires_at)
        VALUES ($1, $2, now() + $3::interval)
        """,
        token_hash,
        user_id,
        good_for,
    )


async def find(connection: Connection, token_hash: bytes) -> int | None:
    """Say whose password a token may change; None where it is none, or has expired."""
    return await connection.fetchval(
        """
        SELECT user_id
          FROM identity.password_resets
         WHERE token_hash = $1 AND expires_at > now()
        """,
        token_hash,
    )


async def take(connection: Connection, token_hash: bytes) -> int | None:
    """Use a token up; returns whose password it may change, or None as ``find`` does."""
    return await connection.fetchval(
        """
        DELETE FROM identity.password_resets
         WHERE token_hash = $1 AND expires_at > now()
        RETURNING user_id
        """,
        token_hash,
    )

"""What keeps people signed in: refresh tokens, each good for once, and the families they are of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from orderbus.storage import rows
from orderbus.storage.database import Connection


@dataclass(frozen=True, slots=True)
class Kept:
    """A refresh token as it is kept; one that was used names what replaced it."""

    jti: UUID
    family: UUID
    user_id: int
    replaced_by: UUID | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds an access token."""

    id: int
    role: str
    uuid: UUID


async def add(
    connection: Connection, *, jti: UUID, family: UUID, user_id: int, expires_at: datetime
) -> None:
    """Keep a refresh token that is given out."""
    await connection.execute(
        """
        INSERT INTO identity.refresh_tokens (jti, family, user_id, expires_at)
        VALUES ($1, $2, $3, $4)
        """,
        jti,
        family,
        user_id,
        expires_at,
    )


async def lock(connection: Connection, jti: UUID) -> Kept | None:
    """Read a refresh token that nobody else uses meanwhile; None where there is none."""
    record = await connection.fetchrow(
        """
        SELECT jti, family, user_id, replaced_by, revoked_at
          FROM identity.refresh_tokens
         WHERE jti = $1
           FOR UPDATE
        """,
        jti,
    )
    return rows.one(Kept, record) if record else None


async def replace(connection: Connection, jti: UUID, *, by: UUID) -> None:
    """Note which refresh token came instead of one."""
    await connection.execute(
        "UPDATE identity.refresh_tokens SET replaced_by = $2 WHERE jti = $1", jti, by
    )


async def revoke_family(connection: Connection, family: UUID) -> int:
    """Refuse all that follow from one sign-in; returns how many were not refused yet."""
    revoked = await connection.fetch(
        """
        UPDATE identity.refresh_tokens
           SET revoked_at = now()
         WHERE family = $1 AND revoked_at IS NULL
        RETURNING 1
        """,
        family,
    )
    return len(revoked)


async def revoke_all(connection: Connection, user_id: int) -> None:
    """Refuse every refresh token of somebody."""
    await connection.execute(
        """
        UPDATE identity.refresh_tokens
           SET revoked_at = now()
         WHERE user_id = $1 AND revoked_at IS NULL
        """,
        user_id,
    )


async def holder(
    connection: Connection, user_id: int, *, version: int, family: UUID
) -> Holder | None:
    """Name who holds an access token; None where they are disabled, or it was revoked."""
    record = await connection.fetchrow(
        """
        SELECT id, role, uuid
          FROM identity.users
          JOIN identity.customers ON user_id = id
         WHERE id = $1
           AND token_version = $2
           AND disabled_at IS NULL
           AND NOT EXISTS (SELECT
                             FROM identity.refresh_tokens
                            WHERE family = $3 AND revoked_at IS NOT NULL)
        """,
        user_id,
        version,
        family,
    )
    return rows.one(Holder, record) if record else None

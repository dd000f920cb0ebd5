"""What was answered under each idempotency key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import asyncpg

from orderbus.errors import KeyReused, UnderWay
from orderbus.storage import rows
from orderbus.storage.database import Connection

#: Milliseconds to wait for the first request with the same key.
_PATIENCE: Final = "1000"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer over HTTP, as it was sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def begin(
    connection: Connection, *, scope: str, key: str, fingerprint: bytes
) -> Answer | None:
    """Take a key, in the transaction of what is done under it.

    Returns the answer that was given to the first request, None to the first itself. Raises
    ``UnderWay`` where that is not through within a second, ``KeyReused`` where it was another one.
    """
    await connection.execute("SELECT set_config('lock_timeout', $1, true)", _PATIENCE)
    try:
        first = await connection.fetchval(
            """
            INSERT INTO ops.idempotency_keys (scope, key, fingerprint) VALUES ($1, $2, $3)
            ON CONFLICT DO NOTHING
            RETURNING true
            """,
            scope,
            key,
            fingerprint,
        )
    except asyncpg.LockNotAvailableError:
        raise UnderWay("The first request with this Idempotency-Key is not answered yet") from None
    if first:
        return None
    row = await connection.fetchrow(
        """
        SELECT status, headers, body
          FROM ops.idempotency_keys
         WHERE scope = $1 AND key = $2 AND fingerprint = $3
        """,
        scope,
        key,
        fingerprint,
    )
    if row is None:
        raise KeyReused("This Idempotency-Key was used with another request")
    return rows.one(Answer, row)


async def keep(connection: Connection, *, scope: str, key: str, answer: Answer) -> None:
    """Keep the answer given under a key."""
    await connection.execute(
        """
        UPDATE ops.idempotency_keys
           SET status = $3, headers = $4, body = $5
         WHERE scope = $1 AND key = $2
        """,
        scope,
        key,
        answer.status,
        dict(answer.headers),
        answer.body,
    )

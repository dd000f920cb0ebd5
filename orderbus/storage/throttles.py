"""How often something was tried of late, of one account or from one address.

In PostgreSQL, since every web process has to count the same tries, and a restart must not forget
them: somebody who guesses would otherwise have as many tries more as there are processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from orderbus.storage import rows
from orderbus.storage.database import Connection


@dataclass(frozen=True, slots=True)
class Tries:
    """How often it was tried, this time included, and when that is forgotten."""

    tries: int
    forgotten_in: timedelta


async def count(connection: Connection, subject: str, *, within: timedelta) -> Tries:
    """Count a try before it is made, so that no number of them at once is more than is allowed."""
    record = await connection.fetchrow(
        """
        INSERT INTO identity.throttles AS kept (subject) VALUES ($1)
        ON CONFLICT (subject) DO UPDATE
           SET tries = CASE WHEN kept.began_at <= now() - $2::interval
                            THEN 1 ELSE kept.tries + 1 END,
               began_at = CASE WHEN kept.began_at <= now() - $2::interval
                               THEN now() ELSE kept.began_at END
        RETURNING tries, began_at + $2::interval - now() AS forgotten_in
        """,
        subject,
        within,
    )
    return rows.one(Tries, record)


async def forgive(connection: Connection, subject: str) -> None:
    """Take back one try that was not in vain."""
    await connection.execute(
        "UPDATE identity.throttles SET tries = tries - 1 WHERE subject = $1 AND tries > 0", subject
    )


async def forget(connection: Connection, subjects: Sequence[str]) -> None:
    """Forget every try."""
    await connection.execute(
        "DELETE FROM identity.throttles WHERE subject = ANY ($1::text[])", subjects
    )

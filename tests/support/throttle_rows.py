"""What is counted of tries in vain."""

from __future__ import annotations

from datetime import timedelta

from orderbus.storage.database import Database
from tests.support.scenario import value


async def use_up(database: Database) -> None:
    """Let every account and address that tried have tried too often, in whatever it tries."""
    await value(
        database,
        """
        WITH subjects AS (SELECT DISTINCT substr(subject, strpos(subject, ':')) AS whose
                            FROM identity.throttles)
        INSERT INTO identity.throttles (subject, tries)
        SELECT kind || whose, 10000
          FROM subjects, unnest(ARRAY['account', 'address', 'registering']) AS kind
        ON CONFLICT (subject) DO UPDATE SET tries = 10000
        """,
    )


async def pass_by(database: Database, time: timedelta) -> None:
    """Let everything that was tried be so long ago."""
    await value(database, "UPDATE identity.throttles SET began_at = began_at - $1::interval", time)


async def subjects(database: Database) -> dict[str, int]:
    """How often each was tried."""
    found = await value(
        database,
        "SELECT coalesce(jsonb_object_agg(subject, tries), '{}') FROM identity.throttles",
    )
    return dict(found)

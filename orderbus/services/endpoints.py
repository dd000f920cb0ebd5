"""Enables and removes endpoints, with everything they are owed.

The endpoint's own row is written first and alone: from then on it decides for every delivery, those
that come back meanwhile too. What is left to write for each delivery is done in small steps, and by
the dispatcher where this process dies in between.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

from orderbus import storage
from orderbus.storage.database import Connection, Database

#: Deliveries written in one statement: it takes far less than a statement may.
_STEP: Final = 5_000


async def enable(database: Database, endpoint_id: UUID) -> int:
    """Tell a disabled endpoint again; what was held is due now and counted. Raises ``NotFound``."""
    async with database.connection() as connection:
        held = await storage.endpoints.enable(connection, endpoint_id)
    if held:
        await _all(
            database,
            lambda connection: storage.endpoints.make_due(connection, endpoint_id, at_most=_STEP),
        )
    return held


async def remove(database: Database, endpoint_id: UUID) -> int:
    """Send an endpoint nothing more; what it is still owed is skipped and counted.

    An attempt that is under way ends as it ends. Raises ``NotFound``.
    """
    async with database.connection() as connection:
        await storage.endpoints.remove(connection, endpoint_id)
    return await skip_owed(database)


async def skip_owed(database: Database) -> int:
    """Skip everything that is owed to endpoints that were removed; returns how much it was."""
    return await _all(
        database, lambda connection: storage.endpoints.skip_owed(connection, at_most=_STEP)
    )


async def _all(database: Database, step: Callable[[Connection], Awaitable[int]]) -> int:
    done = 0
    while True:
        async with database.connection() as connection:
            few = await step(connection)
        done += few
        if few < _STEP:
            return done

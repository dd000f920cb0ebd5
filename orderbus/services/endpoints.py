"""Enables and removes endpoints, with everything they are owed.

The endpoint's own row is written first and alone, and decides from then on. What is left to write
for each delivery is done in small steps, by the dispatcher where this process dies in between.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final
from uuid import UUID

from orderbus import storage
from orderbus.storage.database import Database

#: Deliveries written in one statement: it takes far less than a statement may.
_STEP: Final = 5_000


async def enable(database: Database, endpoint_id: UUID) -> int:
    """Tell a disabled endpoint again; what was held is due now and counted. Raises ``NotFound``."""
    held = await database.ask(storage.endpoints.enable, endpoint_id)
    if held:
        await _all(database, partial(storage.endpoints.make_due, endpoint_id=endpoint_id))
    return held


async def remove(database: Database, endpoint_id: UUID) -> int:
    """Send an endpoint nothing more; what it is still owed is skipped and counted.

    An attempt that is under way ends as it ends. Raises ``NotFound``.
    """
    await database.ask(storage.endpoints.remove, endpoint_id)
    return await skip_owed(database)


async def skip_owed(database: Database) -> int:
    """Skip everything that is owed to endpoints that were removed; returns how much it was."""
    return await _all(database, storage.endpoints.skip_owed)


async def _all(database: Database, step: Callable[..., Awaitable[int]]) -> int:
    done, few = 0, _STEP
    while few == _STEP:
        few = await database.ask(step, at_most=_STEP)
        done += few
    return done

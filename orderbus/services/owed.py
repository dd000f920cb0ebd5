"""What an endpoint is owed is made due or skipped after its row was written, in small steps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final
from uuid import UUID

from orderbus import storage
from orderbus.storage.database import Database

#: Deliveries written in one statement: it takes far less than a statement may.
_STEP: Final = 5_000


async def release(database: Database, endpoint_id: UUID) -> None:
    """Make due now what an endpoint is owed and waits for a later try."""
    await _all(database, partial(storage.endpoints.make_due, endpoint_id=endpoint_id))


async def skip(database: Database) -> int:
    """Skip everything that is owed to endpoints that were removed; returns how much it was."""
    return await _all(database, storage.endpoints.skip_owed)


async def _all(database: Database, step: Callable[..., Awaitable[int]]) -> int:
    done, few = 0, _STEP
    while few == _STEP:
        few = await database.ask(step, at_most=_STEP)
        done += few
    return done

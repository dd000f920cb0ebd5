"""What an endpoint is owed is made due or skipped after its row was written, in small steps.

The row says what is left to do, so it is done whoever dies: workers come by all the time.
"""

from __future__ import annotations

from itertools import count
from typing import Final

from orderbus import storage
from orderbus.storage.database import Database

#: Deliveries written in one statement: it takes far less than a statement may.
_STEP: Final = 5_000


async def release(database: Database, *, steps: int | None = None) -> int:
    """Make due what endpoints are owed that were enabled or moved; returns how much it was.

    All of it, but for what others are at; or so many ``steps``, and workers do the rest.
    """
    done = 0
    for _ in count() if steps is None else range(steps):
        few = await database.ask(storage.owed.release, at_most=_STEP)
        if few is None:
            break
        done += few
    return done


async def skip(database: Database, *, steps: int | None = None) -> int:
    """Skip what endpoints are owed that were removed; returns how much it was.

    All of it, or so many ``steps``.
    """
    done = 0
    for _ in count() if steps is None else range(steps):
        few = await database.ask(storage.owed.skip, at_most=_STEP)
        done += few
        if few < _STEP:
            break
    return done

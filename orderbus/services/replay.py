"""How is a consumer given the past?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final
from uuid import UUID

from orderbus import storage
from orderbus.storage.consumptions import Chunk
from orderbus.storage.database import Database

_CHUNK: Final = 500
_FIRST: Final = UUID(int=0)


async def replay(
    database: Database,
    *,
    consumer: str,
    pattern: str,
    since: datetime,
    before: datetime,
    rate: int,
) -> AsyncIterator[Chunk]:
    """Give ``consumer`` the events from ``since`` to ``before``, at most ``rate`` a second.

    Each chunk is committed when it is yielded. Begun again after a stop, what was given already is
    passed over: each event is consumed once. Raises ``Unavailable``.
    """
    after = (since, _FIRST)
    while True:
        async with database.connection() as connection:
            chunk = await storage.consumptions.replay(
                connection,
                consumer=consumer,
                pattern=pattern,
                after=after,
                before=before,
                at_most=min(_CHUNK, rate),
            )
        yield chunk
        if chunk.until is None:
            return
        after = chunk.until
        await asyncio.sleep(chunk.added / rate)

"""Gives a consumer the events of the past."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final
from uuid import UUID

from orderbus import storage
from orderbus.storage.database import Database
from orderbus.storage.replay import Chunk, Place

_CHUNK: Final = 500
_FIRST: Final = UUID(int=0)


async def replay(
    database: Database, *, consumer: str, pattern: str, since: datetime, before: datetime, rate: int
) -> AsyncIterator[Chunk]:
    """Give ``consumer`` the events from ``since`` to ``before``, at most ``rate`` a second.

    Each chunk is committed when it is yielded. Begun again after a stop, what was given already is
    passed over: each event is consumed once. Raises ``Unavailable``.
    """
    after = Place(since, _FIRST)
    while True:
        chunk = await database.ask(
            storage.replay.give,
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


async def count(
    database: Database, *, consumer: str, pattern: str, since: datetime, before: datetime
) -> Chunk:
    """Count the events that ``replay`` would look at, and those it would add."""
    events = added = 0
    after: Place | None = Place(since, _FIRST)
    while after is not None:
        chunk = await database.ask(
            storage.replay.count, consumer=consumer, pattern=pattern, after=after, before=before
        )
        events, added, after = events + chunk.events, added + chunk.added, chunk.until
    return Chunk(events, added, None)

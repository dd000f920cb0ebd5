"""Gives a consumer the events of the past."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final
from uuid import UUID

from orderbus import storage
from orderbus.storage.database import Database
from orderbus.storage.replay import Chunk, Past, Place

_CHUNK: Final = 500
_FIRST: Final = UUID(int=0)


async def replay(database: Database, past: Past, *, rate: int) -> AsyncIterator[Chunk]:
    """Give a consumer the events of the past, at most ``rate`` a second.

    Each chunk is committed when it is yielded. Begun again after a stop, what was given already is
    passed over: each event is consumed once. Raises ``Unavailable``.
    """
    after = Place(past.since, _FIRST)
    while True:
        chunk = await database.ask(storage.replay.give, past, after, at_most=min(_CHUNK, rate))
        yield chunk
        if chunk.until is None:
            return
        after = chunk.until
        await asyncio.sleep(chunk.added / rate)


async def count(database: Database, past: Past) -> Chunk:
    """Count the events that ``replay`` would look at, and those it would add."""
    events = added = 0
    after: Place | None = Place(past.since, _FIRST)
    while after is not None:
        chunk = await database.ask(storage.replay.count, past, after)
        events, added, after = events + chunk.events, added + chunk.added, chunk.until
    return Chunk(events, added, None)

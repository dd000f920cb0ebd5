"""Gives a consumer the events of the past."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

from pydantic import AfterValidator, Field

from orderbus import storage
from orderbus.domain.events import check_pattern
from orderbus.errors import Invalid, NotFound
from orderbus.services.kinds import Counted, Filter, Kind, Moment, Outside, counted
from orderbus.settings import Settings
from orderbus.storage.database import Connection
from orderbus.storage.jobs import Cursor, Step
from orderbus.storage.replay import Chunk, Past, Place

_FIRST: Final = UUID(int=0)


def _pattern(value: str) -> str:
    try:
        check_pattern(value)
    except Invalid as error:
        raise ValueError(str(error)) from None
    return value


class Replay(Filter):
    """Give a consumer the events of the past that it has not had, each once."""

    consumer: str = Field(
        pattern="^[a-z_]{1,100}$", description="its name, as `orderbus consumers list` shows it"
    )
    since: Moment = Field(description="events from then on; as far back as they are kept")
    until: Moment | None = Field(None, description="events before; when the job begins if unset")
    pattern: Annotated[str, AfterValidator(_pattern)] = Field(
        "*", max_length=100, description="types of events; what the consumer does not want is left"
    )


async def bound(_connection: Connection, wanted: Replay, settings: Settings) -> Replay:
    """Leave out what comes later, and days that may be dropped while they are read."""
    now = datetime.now(UTC)
    since = max(wanted.since, now - settings.event_retention)
    return wanted.model_copy(update={"since": since, "until": min(wanted.until or now, now)})


async def count(connection: Connection, wanted: Replay) -> AsyncGenerator[Chunk, None]:
    """Count the events that a replay would look at, and those it would add."""
    past = _past(wanted)
    after: Place | None = Place(past.since, _FIRST)
    while after is not None:
        chunk = await storage.replay.count(connection, past, after)
        yield chunk
        after = chunk.until


async def count_of(
    connection: Connection, wanted: Replay, settings: Settings, *, patience: timedelta
) -> Counted[Chunk]:
    """Count as ``count``, of what is bounded now, for so long at most."""
    bounded = await bound(connection, wanted, settings)
    return await counted(count(connection, bounded), patience)


async def _count_added(connection: Connection, wanted: Replay) -> AsyncGenerator[int, None]:
    async for chunk in count(connection, wanted):
        yield chunk.added


async def _give(
    connection: Connection,
    wanted: Replay,
    cursor: Cursor | None,
    at_most: int,
    outside: Outside,
) -> Step:
    """Give the next events; those it had already are passed over, so each is consumed once."""
    if wanted.consumer not in outside.wants:
        names = ", ".join(sorted(outside.wants)) or "none"
        message = f"There is no consumer {wanted.consumer} in this worker; there are {names}"
        raise NotFound(message)
    past = _past(wanted, outside.wants[wanted.consumer])
    after = _place(cursor) if cursor else Place(past.since, _FIRST)
    chunk = await storage.replay.give(connection, past, after, at_most=at_most)
    return Step(chunk.added, cursor=_cursor(chunk.until) if chunk.until else None)


def _past(wanted: Replay, wants: str = "*") -> Past:
    return Past(wanted.consumer, wanted.pattern, wanted.since, wanted.until or wanted.since, wants)


def _place(cursor: Cursor) -> Place:
    return Place(datetime.fromisoformat(cursor["occurred_at"]), UUID(cursor["event_id"]))


def _cursor(place: Place) -> Cursor:
    return {"occurred_at": place.occurred_at.isoformat(), "event_id": str(place.event_id)}


REPLAY: Final = Kind("replay", Replay, _count_added, _give, bound)

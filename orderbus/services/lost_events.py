"""Decides when an event that was published and did not come back is published again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from orderbus import storage
from orderbus.domain import retries
from orderbus.domain.retries import Pauses
from orderbus.storage.database import Database
from orderbus.storage.lost_events import Returns

#: What comes back later than others by this much is late, and so long others have to come back in
#: their turn before it counts as lost.
_LATE: Final = retries.LATE_EVENT.first
#: By how much the times differ at most that events in their turn take to come back. Well below
#: ``_LATE``: what waited for a bridge shows, before ``_LATE`` is over, that it takes longer.
_UNEQUAL: Final = timedelta(seconds=5)
#: Events asked for at a time where they may be lost, or this share of what comes back in ``_LATE``
#: if that is more; and where they are lost.
_FEW: Final = 20
_SHARE: Final = 5
_MANY: Final = 1000
#: Rows one statement changes at most where all are asked for.
_STEP: Final = 10_000


async def take_back_lost(database: Database) -> int:
    """Make due again what Pub/Sub has lost; returns how many events.

    Lost is what was published ``_LATE`` before something that came back ``_LATE`` ago, if events
    came back since then that all took about as long. Where they took unequally long, either a
    backlog returns out of order, or Pub/Sub loses some and brings others late: a few are asked for
    at a time, after ten minutes, or at once where too few are missing for a backlog.
    Where nothing at all comes back, a few are asked for, and each time the silence is twice as
    long. Each event pauses twice as long after each time it was published.
    """
    async with database.connection() as connection:
        seen = await storage.lost_events.look(
            connection, lately=_LATE, unequal=_UNEQUAL, silence=retries.LOST_EVENT
        )
        asked_for = None if seen is None else _asked_for(seen)
        if asked_for is None:
            return 0
        before, pauses, at_most = asked_for
        return await storage.lost_events.take_back(
            connection, published_before=before, pauses=pauses.listed(), at_most=at_most
        )


def _asked_for(seen: Returns) -> tuple[datetime, Pauses, int] | None:
    """Say before when it was published, its pauses, and how many."""
    if seen.silent:
        return seen.moment, retries.LOST_EVENT, _FEW
    if seen.reached is None or not seen.came:
        return None
    if not seen.unequal:
        return seen.reached - _LATE, retries.LATE_EVENT, _MANY
    if seen.asked:
        return None
    pauses = retries.BACKLOG_EVENT if seen.many else retries.LATE_EVENT
    return seen.reached - _LATE, pauses, max(_FEW, seen.came // _SHARE)


async def take_back_all(database: Database) -> int:
    """Make everything published and not returned due again, in steps: its subscription is gone."""
    taken, step = 0, _STEP
    async with database.connection() as connection:
        now = await storage.lost_events.now(connection)
        while step == _STEP:
            step = await storage.lost_events.take_back(
                connection, published_before=now, pauses=[timedelta(0)], at_most=_STEP
            )
            taken += step
    return taken

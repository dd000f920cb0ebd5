"""How do events get from the outbox to Pub/Sub, and when is one published again?

No transaction and no row lock is held over the network: a batch is leased in one statement,
published with a deadline below the lease, and settled in another. Order is not kept here but
behind the inbox, so any number of relays may run and a late one does no harm.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from orderbus import storage, telemetry
from orderbus.errors import OrderbusError, Poisoned, Unavailable
from orderbus.pubsub.messages import Message, encode
from orderbus.pubsub.publisher import Publisher
from orderbus.services.interruptions import to_the_end
from orderbus.settings import Settings
from orderbus.storage.database import Database
from orderbus.storage.lost import Returns
from orderbus.storage.outbox import Leased

#: A pointer leased this often without a word has killed its relay too often.
LEASES_ALLOWED: Final = 8
#: Longest pause between two probes while Pub/Sub takes nothing.
LONGEST_PAUSE: Final = timedelta(seconds=2)
#: Pointers one beat tells of at most, and how long it waits for a telling to have an effect.
HINT_AT_MOST: Final = 5000
HINT_AGAIN_AFTER: Final = timedelta(seconds=5)
#: What comes back later than others by this much is late, and so long others have to come back in
#: their turn before it counts as lost.
_LATE: Final = timedelta(seconds=15)
#: By how much the ways of events differ at most that come back in their turn. Well below ``_LATE``:
#: what waited for a bridge shows, before ``_LATE`` is over, that its way is longer.
_UNEQUAL: Final = timedelta(seconds=5)
#: The first pause where nothing comes back at all.
_SILENCE: Final = timedelta(seconds=10)
#: What is out for so long is asked for where a backlog comes back out of order.
_LONGEST_WAY: Final = timedelta(minutes=10)
#: Events asked for at a time where they may be lost, or this share of what comes back in ``_LATE``
#: if that is more; and where they are lost.
_FEW: Final = 20
_SHARE: Final = 5
_MANY: Final = 1000
#: Rows one statement changes at most where all are asked for.
_STEP: Final = 10_000


async def hint_due(database: Database, settings: Settings) -> int:
    """Say how many ``publish_outbox`` messages it takes for what is due and not told of yet."""
    async with database.connection() as connection:
        pointers = await storage.outbox.hint(
            connection, at_most=HINT_AT_MOST, again_after=HINT_AGAIN_AFTER
        )
    return -(-pointers // settings.relay_batch)


async def publish_due(database: Database, publisher: Publisher, settings: Settings) -> int:
    """Publish one batch of what is due; returns how many events Pub/Sub took.

    While Pub/Sub takes nothing, nobody's attempts are charged: the breaker opens, one caller per
    pause probes with a single event, and the first that gets through closes it. An event that can
    never be published is parked with its reason, alone. Raises ``Unavailable`` where PostgreSQL
    is away; what was leased then is due again when the lease ends.
    """
    token = uuid4()
    async with database.connection() as connection:
        batch = await storage.outbox.lease(
            connection, token, at_most=settings.relay_batch, length=settings.relay_lease
        )
    if not batch:
        return 0
    sendable: list[tuple[Leased, Message]] = []
    hopeless: list[tuple[Leased, Poisoned]] = []
    for leased in batch:
        try:
            sendable.append((leased, _message_of(leased)))
        except Poisoned as poisoned:
            hopeless.append((leased, poisoned))
    try:
        answers = await publisher.publish(
            [message for _, message in sendable], deadline=settings.publish_timeout
        )
    except asyncio.CancelledError:
        await to_the_end(_give_back(database, token, batch))
        raise
    hopeless += [
        (leased, answer)
        for (leased, _), answer in zip(sendable, answers, strict=True)
        if isinstance(answer, Poisoned)
    ]
    return await _settle(database, token, sendable, answers, hopeless)


async def _give_back(database: Database, token: UUID, batch: Sequence[Leased]) -> None:
    """Let go of a batch that was interrupted: whoever publishes it again harms nobody."""
    with suppress(Unavailable):  # the lease ends by itself
        async with database.connection() as connection:
            await storage.outbox.settle(
                connection,
                token,
                published=[],
                given_back=[leased.event_id for leased in batch],
                again_after=timedelta(0),
            )


def _message_of(leased: Leased) -> Message:
    if leased.event is None:
        message = f"The payload of event {leased.event_id} is gone"
        raise Poisoned(message, reason="payload_gone")
    if leased.leases > LEASES_ALLOWED:
        message = f"Leased {leased.leases} times, and nothing was heard of it"
        raise Poisoned(message, reason="crashed")
    return encode(leased.event)


async def _settle(
    database: Database,
    token: UUID,
    sendable: Sequence[tuple[Leased, Message]],
    answers: Sequence[str | OrderbusError],
    hopeless: Sequence[tuple[Leased, Poisoned]],
) -> int:
    pairs = list(zip((leased for leased, _ in sendable), answers, strict=True))
    published = [(leased.event_id, answer) for leased, answer in pairs if isinstance(answer, str)]
    failed = [
        (leased.event_id, answer)
        for leased, answer in pairs
        if isinstance(answer, OrderbusError) and not isinstance(answer, Poisoned)
    ]
    async with database.connection() as connection:
        for leased, poisoned in hopeless:
            if await storage.outbox.park(
                connection, token, leased.event_id, reason=poisoned.reason, error=str(poisoned)
            ):
                telemetry.DEAD_LETTERS.labels(kind="outbox").inc()
                telemetry.log.error(
                    "dead_letter_written",
                    kind="outbox",
                    error=str(poisoned),
                    **{"event_id": str(leased.event_id), **telemetry.about(leased.event)},
                )
        now = await storage.outbox.settle(
            connection,
            token,
            published=published,
            given_back=[event_id for event_id, _ in failed],
            again_after=timedelta(milliseconds=100),
        )
        if failed and not published:
            opened = await storage.outbox.open_breaker(connection, longest_pause=LONGEST_PAUSE)
            if opened:
                telemetry.log.warning("part_away", part="pubsub", error=str(failed[0][1]))
    telemetry.PUBLISHED.inc(len(published))
    for leased, answer in pairs:
        if isinstance(answer, str) and leased.event is not None:
            telemetry.ACCEPT_TO_PUBLISH.observe((now - leased.event.occurred_at).total_seconds())
            telemetry.log.info(
                "event_published", message_id=answer, **telemetry.about(leased.event)
            )
    return len(published)


async def take_back_lost(database: Database) -> int:
    """Make due again what Pub/Sub has lost; returns how many events.

    Lost is what was published ``_LATE`` before something that came back ``_LATE`` ago, if events
    came back since then, all after ways of about the same length. Where the ways differ, either a
    backlog returns out of order, or Pub/Sub loses some and brings others late: a few are asked for
    at a time, after ten minutes, or at once where too few are missing for a backlog.
    Where nothing at all comes back, a few are asked for, and each time the silence is twice as
    long. Each event pauses twice as long after each time it was published.
    """
    async with database.connection() as connection:
        seen = await storage.lost.look(connection, lately=_LATE, unequal=_UNEQUAL)
        asked_for = None if seen is None else _asked_for(seen)
        if asked_for is None:
            return 0
        before, pause, at_most = asked_for
        return await storage.lost.take_back(
            connection, published_before=before, pause=pause, at_most=at_most
        )


def _asked_for(seen: Returns) -> tuple[datetime, timedelta, int] | None:
    """Say before when it was published, its first pause, and how many."""
    if seen.silent:
        return seen.moment, _SILENCE, _FEW
    if seen.reached is None or not seen.came:
        return None
    if not seen.unequal:
        return seen.reached - _LATE, _LATE, _MANY
    if seen.asked:
        return None
    pause = _LONGEST_WAY if seen.many else _LATE
    return seen.reached - _LATE, pause, max(_FEW, seen.came // _SHARE)


async def take_back_all(database: Database) -> int:
    """Make everything published and not returned due again: its subscription is gone.

    In steps, each committed: of however many there are, none is published later for it.
    """
    taken, step = 0, _STEP
    async with database.connection() as connection:
        now = await storage.lost.now(connection)
        while step == _STEP:
            step = await storage.lost.take_back(
                connection, published_before=now, pause=timedelta(0), at_most=_STEP
            )
            taken += step
    return taken

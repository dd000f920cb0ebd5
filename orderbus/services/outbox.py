"""Publishes the events of the outbox to Pub/Sub.

No transaction and no row lock is held over the network: a batch is leased in one statement,
published with a deadline below the lease, and settled in another. Order is not kept here but
behind the inbox, so any number of relays may run and a late one does no harm.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from orderbus import storage, telemetry
from orderbus.domain import retries
from orderbus.errors import OrderbusError, Poisoned, Unavailable
from orderbus.pubsub.messages import Message, encode
from orderbus.pubsub.publisher import Publisher
from orderbus.services.interruptions import to_the_end
from orderbus.settings import Settings
from orderbus.storage.database import Database
from orderbus.storage.outbox import Leased

#: A pointer leased this often without a word has killed its relay too often.
LEASES_ALLOWED: Final = 8
#: Pointers that wake-up messages are sent for at once, and how long these have to have an effect.
ENQUEUE_AT_MOST: Final = 5000
ENQUEUE_AGAIN_AFTER: Final = timedelta(seconds=5)


async def due_to_enqueue(database: Database, settings: Settings) -> int:
    """Count the ``publish_outbox`` messages it takes for what is due."""
    async with database.connection() as connection:
        pointers = await storage.outbox.hint(
            connection, at_most=ENQUEUE_AT_MOST, again_after=ENQUEUE_AGAIN_AFTER
        )
    return -(-pointers // settings.relay_batch)


async def publish_due(database: Database, publisher: Publisher, settings: Settings) -> int:
    """Publish one batch of what is due; returns how many events Pub/Sub took.

    Where that is all that is due, one pointer follows, alone, that may have killed its relay. While
    Pub/Sub takes nothing, nobody's attempts are charged: the breaker opens, one caller per pause
    probes with a single event, and the first that gets through closes it. An event that can never
    be published is parked with its reason, alone. Raises ``Unavailable`` where PostgreSQL is away;
    what was leased then is due again when the lease ends.
    """
    most = settings.relay_batch
    taken, published = await _publish(database, publisher, settings, at_most=most)
    if taken < most:
        published += (await _publish(database, publisher, settings, at_most=1, suspects=True))[1]
    return published


async def _publish(
    database: Database,
    publisher: Publisher,
    settings: Settings,
    *,
    at_most: int,
    suspects: bool = False,
) -> tuple[int, int]:
    """Lease, publish and settle; returns how many were leased and how many Pub/Sub took."""
    token = uuid4()
    async with database.connection() as connection:
        batch = await storage.outbox.lease(
            connection, token, at_most=at_most, length=settings.relay_lease, suspects=suspects
        )
    if not batch:
        return 0, 0
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
    return len(batch), await _settle(database, token, sendable, answers, hopeless)


async def _give_back(database: Database, token: UUID, batch: Sequence[Leased]) -> None:
    """Let go of a batch that was interrupted: whoever publishes it again harms nobody."""
    with suppress(Unavailable):  # the lease ends by itself
        async with database.connection() as connection:
            await storage.outbox.settle(
                connection,
                token,
                published={},
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
    published = {leased.event_id: answer for leased, answer in pairs if isinstance(answer, str)}
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
            again_after=retries.PUBLISH.first,
        )
        if failed and not published:
            opened = await storage.outbox.open_breaker(connection, pauses=retries.PROBE.listed())
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

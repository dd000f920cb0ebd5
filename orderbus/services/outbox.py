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
from orderbus.services.taking import SUSPECTS_EVERY, clock
from orderbus.settings import Settings
from orderbus.storage.database import Database
from orderbus.storage.outbox import Leased

#: A pointer leased this often without a word has killed its relay too often.
LEASES_ALLOWED: Final = 8
#: Batches that one process publishes side by side where one does not take all that is due.
_SIDE_BY_SIDE: Final = 4


class Relay:
    """Publishes what is due, in this process.

    One batch is under way at a time, so that what comes meanwhile is gathered and what comes alone
    waits for nothing; several are where one does not take all.
    """

    def __init__(self, database: Database, publisher: Publisher, settings: Settings) -> None:
        """Have nothing under way."""
        self._database = database
        self._publisher = publisher
        self._settings = settings
        self._under_way: asyncio.Task[None] | None = None
        self._more_is_due = False
        self._ending = False
        self._looks_for_suspects = 0.0
        #: Set when something may be due.
        self.woken = database.outbox_written

    async def take_due(self) -> None:
        """Publish all that is due; whoever stops asking lets the batches under way end.

        Raises ``Unavailable`` where PostgreSQL is away.
        """
        self._under_way = asyncio.create_task(self._publish_all())
        self._under_way.add_done_callback(lambda task: task.cancelled() or task.exception())
        try:
            await asyncio.shield(self._under_way)
        except asyncio.CancelledError:
            self._ending = True
            raise

    async def idle(self) -> None:
        """Wait until nothing is under way."""
        if self._under_way is not None:
            await asyncio.wait([self._under_way])

    async def interrupt(self) -> None:
        """Interrupt what is under way, and wait until it is handed back."""
        if self._under_way is not None:
            self._under_way.cancel()
        await self.idle()

    async def publish_due(self) -> int:
        """Publish one batch of what is due; returns how many events Pub/Sub took.

        Where that is all that is due, one pointer follows, alone, that may have killed its relay.
        While Pub/Sub takes nothing, nobody's attempts are charged: the breaker opens, one caller
        per pause probes with a single event, and the first that gets through closes it. An event
        that can never be published is parked with its reason, alone. Raises ``Unavailable`` where
        PostgreSQL is away; what was leased then is due again when the lease ends.
        """
        most = self._settings.relay_batch
        taken, published = await self._publish(at_most=most)
        self._more_is_due = taken == most
        if not self._more_is_due and clock() >= self._looks_for_suspects:
            found, more = await self._publish(at_most=1, suspects=True)
            self._looks_for_suspects = clock() + (0 if found else SUSPECTS_EVERY)
            published += more
        return published

    async def _publish_all(self) -> None:
        await self.publish_due()
        if self._more_is_due:
            ends = asyncio.Event()
            drains = [asyncio.create_task(self._drain(ends)) for _ in range(_SIDE_BY_SIDE)]
            try:
                await asyncio.gather(*drains)
            finally:  # where one raised, or all are interrupted, the others end first
                ends.set()
                await asyncio.wait(drains)

    async def _drain(self, ends: asyncio.Event) -> None:
        while self._more_is_due and not self._ending and not ends.is_set():
            await self.publish_due()

    async def _publish(self, *, at_most: int, suspects: bool = False) -> tuple[int, int]:
        """Lease, publish and settle; returns how many were leased and how many Pub/Sub took."""
        token, settings = uuid4(), self._settings
        batch = await self._database.ask(
            storage.outbox.lease,
            token,
            at_most=at_most,
            length=settings.relay_lease,
            suspects=suspects,
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
            answers = await self._publisher.publish(
                [message for _, message in sendable], deadline=settings.publish_timeout
            )
        except asyncio.CancelledError:
            await to_the_end(self._give_back(token, batch))
            raise
        pairs = list(zip((leased for leased, _ in sendable), answers, strict=True))
        hopeless += [(leased, one) for leased, one in pairs if isinstance(one, Poisoned)]
        return len(batch), await _settle(self._database, token, pairs, hopeless)

    async def _give_back(self, token: UUID, batch: Sequence[Leased]) -> None:
        """Let go of a batch that was interrupted: whoever publishes it again harms nobody."""
        with suppress(Unavailable):  # the lease ends by itself
            ids = [leased.event_id for leased in batch]
            await self._database.ask(
                storage.outbox.settle, token, published={}, given_back=ids, again_after=timedelta(0)
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
    pairs: Sequence[tuple[Leased, str | OrderbusError]],
    hopeless: Sequence[tuple[Leased, Poisoned]],
) -> int:
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

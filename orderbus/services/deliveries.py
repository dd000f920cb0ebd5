"""Attempts what is due: claims it, sends the webhooks side by side, and settles what came of them.

No exchange holds a thread or a connection to PostgreSQL. One statement claims as many as there are
free places, and one settles whatever ended while the last one was under way.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from orderbus import storage, telemetry, waiting
from orderbus.domain import retries
from orderbus.errors import Busy, Unavailable
from orderbus.services import attempts
from orderbus.services.interruptions import ended, to_the_end
from orderbus.services.pacing import Pacing
from orderbus.services.shared import Together
from orderbus.settings import Settings
from orderbus.storage.database import Database
from orderbus.storage.deliveries import Claimed, Outcome, Settled

if TYPE_CHECKING:
    from orderbus.egress.session import Session

#: Exchanges that one process has under way at most.
PLACES: Final = 200
#: How long an attempt that began waits for PostgreSQL to come back.
PATIENCE: Final = timedelta(minutes=5)
#: How long it takes to write down what came of an attempt.
_SETTLES_WITHIN: Final = timedelta(seconds=3)
#: Seconds after which suspects are looked for again where there were none.
SUSPECTS_EVERY: Final = 1.0
#: Seconds that interrupted attempts have to hand back what they had taken.
_HANDS_BACK_WITHIN: Final = 5.0


class Sender:
    """Attempts the deliveries of one process.

    An attempt is counted and written down before its first byte is sent. If this process dies, the
    lease ends and another attempt follows with the same ``webhook-id``.
    """

    def __init__(self, database: Database, http: Session, settings: Settings) -> None:
        """Have nothing under way."""
        self._database = database
        self._http = http
        self._settings = settings
        self._pacing = Pacing(most=settings.webhook_in_flight)
        self._under_way: set[asyncio.Task[None]] = set()
        self._interrupted = False
        self._suspect: asyncio.Task[None] | None = None
        self._looks_for_suspects = 0.0
        self._settling = Together(self._settle_all, at_most=PLACES)
        self._lease = uuid4()
        #: Set when something may be due, or a place free.
        self.woken = asyncio.Event()

    async def send_due(self) -> None:
        """Begin to attempt what is due, until nothing more is or every place is taken.

        What is suspected of killing its process is attempted one by one, once the others are done.
        Raises ``Unavailable`` where PostgreSQL is away.
        """
        while free := self._free():
            if await self._begin(free) < free:
                break
        if self._free() and time.monotonic() >= self._looks_for_suspects:
            found = await self._begin(1, suspects=True)
            self._looks_for_suspects = time.monotonic() + (0 if found else SUSPECTS_EVERY)

    async def idle(self) -> None:
        """Wait until nothing is under way."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def interrupt(self) -> None:
        """Interrupt what is under way, and wait until it is handed back, uncharged."""
        self._interrupted = True
        for attempt in self._under_way:
            attempt.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=_HANDS_BACK_WITHIN)

    def _free(self) -> int:
        return 0 if self._suspect is not None else PLACES - len(self._under_way)

    async def _begin(self, at_most: int, *, suspects: bool = False) -> int:
        claiming = asyncio.create_task(self._claim(at_most, suspects=suspects))
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            await ended(claiming)
            raise

    async def _claim(self, at_most: int, *, suspects: bool) -> int:
        settings = self._settings
        lasts = settings.delivery_lease - settings.webhook_timeout
        send_before = attempts.clock() + lasts.total_seconds()
        async with self._database.transaction() as connection:
            batch = await storage.deliveries.claim(
                connection,
                lease=self._lease,
                length=settings.delivery_lease,
                in_flight=self._pacing.places,
                otherwise=self._pacing.first,
                at_most=at_most,
                suspects=suspects,
            )
        self._lease = uuid4()  # until the answer is here the same one: it may have got lost
        for claimed in batch:
            attempt = asyncio.create_task(self._deliver(claimed, send_before, alone=suspects))
            self._under_way.add(attempt)
            self._suspect = attempt if suspects else None
            attempt.add_done_callback(self._ended)
        return len(batch)

    def _ended(self, attempt: asyncio.Task[None]) -> None:
        self._under_way.discard(attempt)
        if attempt is self._suspect:
            self._suspect = None
        self.woken.set()
        if not attempt.cancelled() and (error := attempt.exception()) is not None:
            telemetry.log.error("delivery_not_settled", exc_info=error)

    async def _deliver(self, claimed: Claimed, send_before: float, *, alone: bool) -> None:
        outcome = None
        try:
            if self._interrupted:  # while it was claimed
                raise asyncio.CancelledError  # noqa: TRY301 - as the others hear it
            if alone:
                await self._until_alone()
            outcome = await attempts.attempt(
                self._http, self._settings, claimed, send_before=send_before
            )
            if outcome.response is not None:
                self._pacing.hear(claimed.endpoint_id, outcome.response)
            await self._settle_patiently(outcome)
        except asyncio.CancelledError:
            if outcome is None:
                with suppress(Unavailable):  # the lease ends by itself
                    handed_back = Outcome(claimed, attempts.HANDED_BACK)
                    await self._settle_patiently(handed_back, within=_SETTLES_WITHIN)
            raise

    async def _until_alone(self) -> None:
        """Wait for the others, while the lease allows it: it would take them along."""
        others = [attempt for attempt in self._under_way if attempt is not self._suspect]
        spare = self._settings.delivery_lease - self._settings.webhook_timeout - _SETTLES_WITHIN
        if others:
            await asyncio.wait(others, timeout=spare.total_seconds())

    async def _settle_patiently(self, outcome: Outcome, within: timedelta = PATIENCE) -> None:
        # Nobody else can take the lease: what we know would be lost, and the endpoint get it twice
        # or be charged an attempt it never had.
        settle = partial(self._settle, outcome)
        await to_the_end(waiting.until_it_works(settle, retries.DELIVERY_STEP, within=within))

    async def _settle(self, outcome: Outcome) -> None:
        if outcome.settlement.disabled_reason is None:
            settled = await self._settling.hand_in(outcome)
        else:  # alone: somebody else may hold its endpoint
            (settled,) = await self._settle_all([outcome])
        if settled.busy:
            raise Busy("Somebody else holds the delivery", dependency="postgres")
        if settled.ours:
            _record(outcome, settled.seconds)

    async def _settle_all(self, outcomes: Sequence[Outcome]) -> Sequence[Settled]:
        async with self._database.transaction() as connection:
            for outcome in outcomes:
                if outcome.settlement.disabled_reason is not None:
                    await storage.endpoints.disable(
                        connection,
                        outcome.claimed.endpoint_id,
                        reason=outcome.settlement.disabled_reason,
                        delivery_id=outcome.claimed.delivery_id,
                        lease=outcome.claimed.lease,
                    )
            return await storage.deliveries.settle(connection, outcomes)


def _record(outcome: Outcome, seconds: float) -> None:
    claimed, settlement, response = outcome.claimed, outcome.settlement, outcome.response
    telemetry.ATTEMPTS.labels(outcome=settlement.outcome).inc()
    log = telemetry.log.bind(
        delivery_id=claimed.delivery_id,
        endpoint_id=str(claimed.endpoint_id),
        attempt=claimed.attempt,
        status=response.status if response else None,
        error=response.error if response else None,
        **telemetry.about(claimed.event),
    )
    if settlement.state == "delivered":
        telemetry.DELIVERED.inc()
        telemetry.ACCEPT_TO_DELIVERED.observe(seconds)
        log.info("webhook_delivered")
        return
    log.warning("webhook_attempt_failed", again_in=settlement.after.total_seconds())
    if settlement.disabled_reason is not None:
        log.error(
            "endpoint_disabled",
            reason=settlement.disabled_reason,
            todo=f"orderbus endpoints enable {claimed.endpoint_id}",
        )
    if settlement.state == "dead":
        telemetry.DEAD_LETTERS.labels(kind="delivery").inc()
        log.error("dead_letter_written", kind="delivery", reason=settlement.reason)

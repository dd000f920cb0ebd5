"""Gives each consumer its events: one effect for each, whatever fails or dies in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

from orderbus import storage, telemetry
from orderbus.domain.events import Event
from orderbus.domain.retries import (
    LONGEST_OF_CONSUMPTION,
    DeadLetter,
    NotCharged,
    Pauses,
    Retry,
    judge_error,
)
from orderbus.domain.text import of_error
from orderbus.errors import Busy, LeaseLost, OrderbusError, Unavailable
from orderbus.resources import Resources
from orderbus.services.interruptions import as_failure
from orderbus.services.shared import Together
from orderbus.services.taking import Taker
from orderbus.storage.consumptions import Claim, PutOff
from orderbus.storage.database import Connection

#: How long a claim stays with its worker.
LEASE: Final = timedelta(seconds=60)
#: Seconds that the work on one event may take.
TIME_LIMIT: Final = 50.0
#: How long a suspect waits to be alone: with its work, within the lease.
_WAITS_ALONE: Final = timedelta(seconds=5)
#: What one consumer has under way in one process at most, where effects are had together.
PLACES: Final = 200
#: Transactions that a consumer has open at once, of those that are for one event.
SIDE_BY_SIDE: Final = 4

OnDeadLetter = Callable[[Connection, Event, str], Awaitable[None]]
#: Opens a transaction that only commits while the event is still ours to consume.
Ours = Callable[[], AbstractAsyncContextManager[Connection]]
Begin = Callable[[Resources, Connection, Sequence[Event]], Awaitable[Sequence[Any]]]
Prepare = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Waits:
    """What ``begin`` answers for an event that has to wait: why, and when it is looked at again.

    It is put off, uncharged, in the transaction that found it so: whoever ends the wait, under the
    same locks, may make it due before.
    """

    reason: str
    after: timedelta


@dataclass(frozen=True, slots=True)
class Work:
    """What a consumer does with an event.

    ``effect`` has its effect through the connection, in the transaction that marks the event as
    consumed: once. Where effects are had ``together``, it gets a list of events instead, and all of
    their marks commit with it; where it raises, the list is taken apart. What takes long or goes
    outside belongs into ``prepare(held, event, ours)``, which runs before, in no transaction, and
    perhaps more than once; its result is handed to ``effect``. What it writes down of its own goes
    through ``ours``, a transaction that a worker without the lease cannot commit. ``begin`` does
    that for many events at once, before ``prepare``, which is handed its answer for its event, but
    for those that it says of that each ``Waits``.
    ``on_dead_letter`` is called instead, in the transaction that writes the dead letter, with the
    reason; where the payload is gone, the event it gets has an empty ``order``.
    """

    effect: Callable[..., Awaitable[None]]
    prepare: Prepare | None = None
    on_dead_letter: OnDeadLetter | None = None
    together: bool = False
    begin: Begin | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a claimed event; without a verdict its effect is had."""

    claim: Claim
    verdict: Retry | NotCharged | DeadLetter | Waits | None = None
    error: str = ""


class Consuming(Taker[Claim, Decision]):
    """Has one consumer's work done on its events, in this process.

    Work that raises is tried again as often as the settings say, and then a dead letter; so is work
    whose worker died as often. ``Unavailable`` is tried again for as long as it takes, ``Poisoned``
    and ``Refused`` never.
    """

    def __init__(
        self, held: Resources, consumer: str, work: Work, *, side_by_side: int = SIDE_BY_SIDE
    ) -> None:
        """Have nothing under way."""
        # Without a turn soon, the lease of what is claimed would be spent on waiting.
        places = PLACES if work.together else 4 * side_by_side
        super().__init__(waits_alone=_WAITS_ALONE, settles_within=LEASE, places=places)
        self._held = held
        self._consumer = consumer
        self._work = work
        self._pauses = Pauses(held.settings.retry_delay_base, LONGEST_OF_CONSUMPTION)
        self._transactions = asyncio.Semaphore(side_by_side)
        how = {"at_most": PLACES, "side_by_side": 1}
        self._beginning = work.begin and Together(partial(self._begin_all, work.begin), **how)
        self._having_effect = Together(self._have_effect, **how)
        self._putting_off = Together(self._put_off_all, **how)

    async def _claim(self, lease: UUID, at_most: int, *, suspects: bool) -> Sequence[Claim]:
        async with self._held.database.connection() as connection:
            return await storage.consumptions.claim(
                connection,
                self._consumer,
                lease=lease,
                length=LEASE,
                at_most=at_most,
                suspects=suspects,
            )

    async def _attempt(self, claimed: Claim, taken_at: float) -> Decision:  # noqa: ARG002 - marks are lost with the lease
        if claimed.event is None:
            return Decision(claimed, DeadLetter("payload_gone"), "The event's payload is gone")
        if claimed.crashes > self._held.settings.max_retry_attempts:
            crashed = f"{claimed.crashes} attempts in a row had no end"
            return Decision(claimed, DeadLetter("crashed"), crashed)
        limit = asyncio.timeout(TIME_LIMIT)
        with telemetry.bound(**_about(claimed)):
            try:
                async with limit:
                    waits = await self._consume(claimed, claimed.event)
            except (Exception, asyncio.CancelledError) as raised:  # noqa: BLE001 - a door, as below
                if limit.expired():
                    return self._judge(claimed, TimeoutError(), said="It took too long")
                return self._judge(claimed, as_failure(raised))
            return Decision(claimed, waits, waits.reason if waits else "")

    async def _consume(self, claim: Claim, event: Event) -> Waits | None:
        """Have the effect, once; or say that it waits."""
        work = self._work
        begun = () if self._beginning is None else (await self._beginning.hand_in(claim),)
        if begun and isinstance(begun[0], Waits):
            return begun[0]
        prepared: tuple[Any, ...] = ()
        if work.prepare is not None:
            prepared = (await work.prepare(self._held, event, partial(self._ours, claim), *begun),)
        if work.together:
            await self._having_effect.hand_in((claim, *prepared))
        else:
            async with self._transactions:
                await self._have_effect([(claim, *prepared)])
        return None

    async def _begin_all(self, begin: Begin, claims: Sequence[Claim]) -> Sequence[Any]:
        async with self._held.database.transaction() as connection:
            events = [claim.event for claim in claims if claim.event is not None]
            begun = await begin(self._held, connection, events)
            await storage.consumptions.hold(connection, claims)
            waiting = [
                PutOff(claim, answer.after, charged=False, error=answer.reason)
                for claim, answer in zip(claims, begun, strict=True)
                if isinstance(answer, Waits)
            ]
            if waiting:
                await storage.consumptions.put_off(connection, waiting)
        return begun

    async def _have_effect(self, given: Sequence[tuple[Any, ...]]) -> Sequence[None]:
        claims, *prepared = ([*column] for column in zip(*given, strict=True))
        columns = ([claim.event for claim in claims], *prepared)
        try:
            async with self._held.database.transaction() as connection:
                if self._work.together:
                    await self._work.effect(connection, *columns)
                else:
                    await self._work.effect(connection, *(column[0] for column in columns))
                await storage.consumptions.mark_done(connection, claims)
        except Unavailable as error:
            if len(given) > 1:  # it may be one event's own, such as what somebody else refuses
                raise Busy("It is taken apart") from error
            raise
        return [None] * len(given)

    @asynccontextmanager
    async def _ours(self, claim: Claim) -> AsyncIterator[Connection]:
        async with self._transactions, self._held.database.transaction() as connection:
            yield connection
            await storage.consumptions.hold(connection, [claim])

    def _judge(self, claim: Claim, error: Exception, said: str | None = None) -> Decision:
        failed = claim.attempt - 1
        allowed = self._held.settings.max_retry_attempts
        verdict = judge_error(error, self._pauses, failures=failed, waits=failed, allowed=allowed)
        if isinstance(verdict, Retry) and not isinstance(error, OrderbusError):
            telemetry.log.error("consumer_failed", consumer=claim.consumer, exc_info=error)
        return Decision(claim, verdict, said or of_error(error))

    def _handed_back(self, claimed: Claim) -> Decision:
        return Decision(claimed, NotCharged(timedelta(0)), "The worker is stopping")

    async def _settle(self, decision: Decision) -> None:
        claim, error, outcome = decision.claim, decision.error, "done"
        log = telemetry.log.bind(consumer=claim.consumer, **_about(claim))
        match decision.verdict:
            case None:
                log.info("event_consumed", attempt=claim.attempt)
            case DeadLetter(reason):
                outcome = "buried"
                if not await self._write_dead_letter(claim, reason, error):
                    return
                telemetry.DEAD_LETTERS.labels(kind="consumption").inc()
                log.error("dead_letter_written", kind="consumption", reason=reason, error=error)
            case Waits(_, after):
                outcome = "again"  # it was put off when it was found to wait
                log.info("event_consumed_later", again_in=after.total_seconds(), error=error)
            case Retry(after) | NotCharged(after) as verdict:
                outcome = "again"
                charged = isinstance(verdict, Retry)
                await self._putting_off.hand_in(PutOff(claim, after, charged, error))
                log.warning("event_consumed_later", again_in=after.total_seconds(), error=error)
        telemetry.CONSUMED.labels(consumer=claim.consumer, outcome=outcome).inc()

    async def _put_off_all(self, later: Sequence[PutOff]) -> Sequence[None]:
        await self._held.database.ask(storage.consumptions.put_off, later)
        return [None] * len(later)

    async def _write_dead_letter(self, claim: Claim, reason: str, error: str) -> bool:
        """Say whether it was ours to write."""
        try:
            await self._mark_dead(self._work.on_dead_letter, claim, reason, error)
        except LeaseLost:
            return False
        except Unavailable:
            raise
        except Exception as failure:  # noqa: BLE001 - a door: a dead letter is written whatever else fails
            telemetry.log.error("giving_up_failed", consumer=claim.consumer, exc_info=failure)
            await self._mark_dead(None, claim, reason, error)
        return True

    async def _mark_dead(
        self, on_dead_letter: OnDeadLetter | None, claim: Claim, reason: str, error: str
    ) -> None:
        async with self._held.database.transaction() as connection:
            # The order's lock comes before the consumption's, here as everywhere.
            event = claim.event or await storage.events.remembered(
                connection, claim.event_id, claim.occurred_at
            )
            if on_dead_letter is not None and event is not None:
                await on_dead_letter(connection, event, error)
            await storage.consumptions.mark_dead(connection, claim, reason=reason, error=error)


def _about(claim: Claim) -> dict[str, Any]:
    """Name the event in every line about it, those of the work's own included."""
    return {"event_id": str(claim.event_id), **telemetry.about(claim.event)}

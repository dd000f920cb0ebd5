"""Gives each consumer its events: one effect for each, whatever fails or dies in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final
from uuid import uuid4

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
from orderbus.errors import OrderbusError, Unavailable
from orderbus.resources import Resources
from orderbus.services.interruptions import ended, to_the_end
from orderbus.storage.consumptions import Claim
from orderbus.storage.database import Connection, Database

#: How long a claim stays with its worker; longer than an actor may take.
LEASE: Final = timedelta(seconds=60)
#: How long a wake-up message has to have an effect before the dispatcher sends another.
_ENQUEUE_AGAIN_AFTER: Final = timedelta(seconds=10)
#: For how many events that it has not taken yet each consumer is sent wake-up messages.
_ENQUEUE_AT_MOST: Final = 1000

OnDeadLetter = Callable[[Connection, Event, str], Awaitable[None]]
#: Opens a transaction that only commits while the event is still ours to consume.
Ours = Callable[[], AbstractAsyncContextManager[Connection]]
Prepare = Callable[[Resources, Event, Ours], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Work:
    """What a consumer does with an event.

    ``effect`` has its effect through the connection, in the transaction that marks the event as
    consumed: once. What takes long or goes outside belongs into ``prepare``, which runs before, in
    no transaction, and perhaps more than once; its result is handed to ``effect``. What it writes
    down of its own goes through ``ours``, a transaction that a worker without the lease cannot
    commit. ``on_dead_letter`` is called instead, in the transaction that writes the dead letter,
    with the reason; where the payload is gone, the event it gets has an empty ``order``.
    """

    effect: Callable[..., Awaitable[None]]
    prepare: Prepare | None = None
    on_dead_letter: OnDeadLetter | None = None


async def consume(held: Resources, consumer: str, consumption_id: int, work: Work) -> bool:
    """Do ``work`` on an event if it is due; returns whether this changed anything for good.

    Called twice, too early or for what is another consumer's, it does nothing. Work that raises is
    tried again as often as the settings say, and then a dead letter; so is work whose worker died
    as often. ``Unavailable`` is tried again for as long as it takes, ``Poisoned`` and ``Refused``
    never. Raises ``Unavailable`` where PostgreSQL is away.
    """
    claiming = asyncio.create_task(_claim(held.database, consumer, consumption_id))
    try:
        claim = await asyncio.shield(claiming)
        if claim is None:
            return False
        with telemetry.bound(**_about(claim)):
            return await _attempt(held, claim, work)
    except asyncio.CancelledError:
        await to_the_end(_hand_back(held, claiming))
        raise


async def _claim(database: Database, consumer: str, consumption_id: int) -> Claim | None:
    async with database.connection() as connection:
        return await storage.consumptions.claim(
            connection, consumer, consumption_id, lease=uuid4(), length=LEASE
        )


async def _hand_back(held: Resources, claiming: asyncio.Task[Claim | None]) -> None:
    """Let go of an event whose work was interrupted, which only a time limit is charged for."""
    claim = await ended(claiming)
    if claim is None:
        return
    with telemetry.bound(**_about(claim)), suppress(Unavailable):  # the lease ends by itself
        if held.ending.is_set():
            await _put_off(held, claim, "The worker is stopping", NotCharged(timedelta(0)))
        else:
            await _put_off(
                held, claim, "It took too long", Retry(_pauses(held).after(claim.attempt))
            )


def _about(claim: Claim) -> dict[str, Any]:
    """Name the event in every line about it, those of the work's own included."""
    return {"event_id": str(claim.event_id), **telemetry.about(claim.event)}


async def _attempt(held: Resources, claim: Claim, work: Work) -> bool:
    database = held.database
    if claim.event is None:
        return await _write_dead_letter(
            database, claim, work, "payload_gone", "The event's payload is gone"
        )
    if claim.attempt > 1 + held.settings.max_retry_attempts:
        crashed = f"{claim.attempt - 1} attempts in a row had no end"
        return await _write_dead_letter(database, claim, work, "crashed", crashed)
    try:
        ours = partial(_ours, database, claim)
        prepared = () if work.prepare is None else (await work.prepare(held, claim.event, ours),)
        async with database.transaction() as connection:
            await work.effect(connection, claim.event, *prepared)
            await storage.consumptions.mark_done(connection, claim)
    except Exception as error:  # noqa: BLE001 - a door: what becomes of it is decided here
        return await _failed(held, claim, work, error)
    telemetry.CONSUMED.labels(consumer=claim.consumer, outcome="done").inc()
    telemetry.log.info("event_consumed", consumer=claim.consumer, attempt=claim.attempt)
    return True


@asynccontextmanager
async def _ours(database: Database, claim: Claim) -> AsyncIterator[Connection]:
    async with database.transaction() as connection:
        yield connection
        await storage.consumptions.hold(connection, claim)


async def due_to_enqueue(database: Database, consumers: Sequence[str]) -> Mapping[str, list[int]]:
    """List by consumer what the dispatcher should send wake-up messages for now."""
    async with database.connection() as connection:
        return await storage.consumptions.hint(
            connection, consumers, at_most=_ENQUEUE_AT_MOST, again_after=_ENQUEUE_AGAIN_AFTER
        )


async def _failed(held: Resources, claim: Claim, work: Work, error: Exception) -> bool:
    database, settings = held.database, held.settings
    message = of_error(error)
    failed = claim.attempt - 1
    verdict = judge_error(
        error, _pauses(held), failures=failed, waits=failed, allowed=settings.max_retry_attempts
    )
    if isinstance(verdict, DeadLetter):
        return await _write_dead_letter(database, claim, work, verdict.reason, message)
    if not isinstance(error, OrderbusError):
        telemetry.log.error("consumer_failed", consumer=claim.consumer, exc_info=error)
    return await _put_off(held, claim, message, verdict)


def _pauses(held: Resources) -> Pauses:
    return Pauses(held.settings.retry_delay_base, LONGEST_OF_CONSUMPTION)


async def _put_off(held: Resources, claim: Claim, error: str, verdict: Retry | NotCharged) -> bool:
    pause, charged = verdict.after, isinstance(verdict, Retry)
    async with held.database.connection() as connection:
        await storage.consumptions.put_off(
            connection, claim, after=pause, charged=charged, error=error
        )
    telemetry.CONSUMED.labels(consumer=claim.consumer, outcome="again").inc()
    telemetry.log.warning(
        "event_consumed_later", consumer=claim.consumer, again_in=pause.total_seconds(), error=error
    )
    return False


async def _write_dead_letter(
    database: Database, claim: Claim, work: Work, reason: str, error: str
) -> bool:
    try:
        await _mark_dead(work.on_dead_letter, database, claim, reason, error)
    except Unavailable:
        raise
    except Exception as failure:  # noqa: BLE001 - a door: a dead letter is written whatever else fails
        telemetry.log.error("giving_up_failed", consumer=claim.consumer, exc_info=failure)
        await _mark_dead(None, database, claim, reason, error)
    telemetry.CONSUMED.labels(consumer=claim.consumer, outcome="buried").inc()
    telemetry.DEAD_LETTERS.labels(kind="consumption").inc()
    telemetry.log.error(
        "dead_letter_written",
        kind="consumption",
        consumer=claim.consumer,
        reason=reason,
        error=error,
    )
    return True


async def _mark_dead(
    on_dead_letter: OnDeadLetter | None, database: Database, claim: Claim, reason: str, error: str
) -> None:
    async with database.transaction() as connection:
        # The order's lock comes before the consumption's, here as everywhere.
        event = claim.event or await storage.events.remembered(
            connection, claim.event_id, claim.occurred_at
        )
        if on_dead_letter is not None and event is not None:
            await on_dead_letter(connection, event, error)
        await storage.consumptions.mark_dead(connection, claim, reason=reason, error=error)

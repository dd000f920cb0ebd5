"""How does a consumer have its effect once, whatever happens in between?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from orderbus import storage, telemetry
from orderbus.domain.events import Event
from orderbus.domain.text import storable
from orderbus.errors import OrderbusError, Poisoned, Refused, Unavailable
from orderbus.resources import Resources
from orderbus.storage.consumptions import Claim
from orderbus.storage.database import Connection, Database

#: How long a claim stays with its worker; longer than an actor may take.
LEASE: Final = timedelta(seconds=60)
#: How often a consumer is tried, and the pauses between: 5 s, twice as long each time, at most 300.
ATTEMPTS: Final = 4
_FIRST_PAUSE: Final = timedelta(seconds=5)
_LONGEST_PAUSE: Final = timedelta(seconds=300)
#: How long a telling has to have an effect before the beat tells again.
_HINT_AGAIN_AFTER: Final = timedelta(seconds=10)
_HINT_AT_MOST: Final = 2000
_ERROR_AT_MOST: Final = 2000


@dataclass(frozen=True, slots=True)
class Work:
    """What a consumer does with an event.

    ``effect`` has its effect through the connection, in the transaction that marks the event as
    consumed: once. What takes long or goes outside belongs into ``prepare``, which runs before, in
    no transaction, and perhaps more than once; its result is handed to ``effect``. ``give_up`` is
    called instead, in the transaction that writes the dead letter, with the reason.
    """

    effect: Callable[..., Awaitable[None]]
    prepare: Callable[[Resources, Event], Awaitable[Any]] | None = None
    give_up: Callable[[Connection, Event, str], Awaitable[None]] | None = None


async def consume(held: Resources, consumption_id: int, work: Work) -> bool:
    """Do ``work`` on an event if it is due; returns whether this changed anything for good.

    Called twice or too early it does nothing. Work that raises is tried again ``ATTEMPTS`` times
    in all, and then a dead letter; ``Unavailable`` is tried again for as long as it takes,
    ``Poisoned`` and ``Refused`` never. So is work whose worker died as often. Raises
    ``Unavailable`` where PostgreSQL is away.
    """
    database = held.database
    async with database.connection() as connection:
        claim = await storage.consumptions.claim(
            connection, consumption_id, lease=uuid4(), length=LEASE
        )
    if claim is None:
        return False
    if claim.event is None:
        return await _bury(database, claim, work, "payload_gone", "The event's payload is gone")
    if claim.attempt > ATTEMPTS:
        said = f"{ATTEMPTS} attempts in a row had no end"
        return await _bury(database, claim, work, "crashed", said)
    try:
        prepared = () if work.prepare is None else (await work.prepare(held, claim.event),)
        async with database.transaction() as connection:
            await work.effect(connection, claim.event, *prepared)
            await storage.consumptions.mark_done(connection, claim)
    except Exception as error:  # noqa: BLE001 - a door: what becomes of it is decided here
        return await _failed(database, claim, work, error)
    telemetry.CONSUMED.labels(consumer=claim.consumer, outcome="done").inc()
    return True


async def hint_due(database: Database, consumers: Sequence[str]) -> Mapping[str, list[int]]:
    """List what the beat should tell each consumer of now."""
    async with database.connection() as connection:
        return await storage.consumptions.hint(
            connection, consumers, at_most=_HINT_AT_MOST, again_after=_HINT_AGAIN_AFTER
        )


async def _failed(database: Database, claim: Claim, work: Work, error: Exception) -> bool:
    said = storable(f"{type(error).__name__}: {error}"[:_ERROR_AT_MOST])
    match error:
        case Unavailable():
            return await _put_off(database, claim, said, charged=False)
        case Poisoned() | Refused():
            reason = error.reason if isinstance(error, Poisoned) else error.code
            return await _bury(database, claim, work, reason, said)
        case _ if claim.attempt >= ATTEMPTS:
            return await _bury(database, claim, work, "retries_exhausted", said)
    if not isinstance(error, OrderbusError):
        telemetry.log.error("consumer_failed", consumer=claim.consumer, exc_info=error)
    return await _put_off(database, claim, said, charged=True)


async def _put_off(database: Database, claim: Claim, error: str, *, charged: bool) -> bool:
    pause = min(_FIRST_PAUSE * 2 ** (claim.attempt - 1), _LONGEST_PAUSE)
    async with database.connection() as connection:
        await storage.consumptions.put_off(
            connection, claim, after=pause, charged=charged, error=error
        )
    telemetry.CONSUMED.labels(consumer=claim.consumer, outcome="again").inc()
    telemetry.log.warning(
        "event_consumed_later", consumer=claim.consumer, again_in=pause.total_seconds(), error=error
    )
    return False


async def _bury(database: Database, claim: Claim, work: Work, reason: str, error: str) -> bool:
    async with database.transaction() as connection:
        buried = await storage.consumptions.bury(connection, claim, reason=reason, error=error)
        if not buried:
            return False
        if work.give_up is not None and claim.event is not None:
            await work.give_up(connection, claim.event, error)
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

"""Attempts deliveries: claims one, sends its webhook and settles it."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar
from uuid import UUID, uuid4

from orderbus import storage, telemetry, waiting
from orderbus.domain import retries, webhooks
from orderbus.domain.deliveries import Settlement
from orderbus.domain.text import of_error
from orderbus.domain.webhooks import EndpointResponse
from orderbus.egress import exchange
from orderbus.egress.isolation import Isolation
from orderbus.errors import Unavailable
from orderbus.services.interruptions import ended, to_the_end
from orderbus.settings import Settings
from orderbus.storage.database import Database
from orderbus.storage.deliveries import Claimed

if TYPE_CHECKING:
    from orderbus.egress.session import Session

T = TypeVar("T")
#: A delivery that is ours, and the moment after which its lease may end before the answer comes.
_Found = tuple[Claimed, float] | None

#: How long a wake-up message has to have an effect before the dispatcher sends another.
ENQUEUE_AGAIN_AFTER: Final = timedelta(seconds=10)
ENQUEUE_AT_MOST: Final = 2000
#: How long an attempt that began waits for PostgreSQL to come back.
PATIENCE: Final = timedelta(minutes=5)
#: Counts on while a process is stopped, so it tells of a lease that ended meanwhile.
_clock: Final = time.monotonic
#: How long it takes to write down what came of an attempt.
_SETTLES_WITHIN: Final = timedelta(seconds=3)
_HANDED_BACK: Final = Settlement("pending", "not_charged", charged=False)
#: A suspect is tried again soon where it found another one alone.
_LATER: Final = replace(_HANDED_BACK, after=retries.SUSPECT, keeps_crashes=True)


async def due_to_enqueue(database: Database, settings: Settings) -> list[int]:
    """List the deliveries the dispatcher should send wake-up messages for now."""
    async with database.connection() as connection:
        return await storage.deliveries.hint(
            connection,
            per_endpoint=4 * settings.webhook_in_flight,
            at_most=ENQUEUE_AT_MOST,
            again_after=ENQUEUE_AGAIN_AFTER,
        )


async def deliver(
    database: Database, http: Session, settings: Settings, isolation: Isolation, delivery_id: int
) -> list[int]:
    """Attempt a delivery if it may go now; returns the deliveries to enqueue next.

    Called twice or too early it does nothing. The attempt is counted and written down before the
    first byte is sent; if this process dies, the lease ends and another attempt follows with the
    same ``webhook-id``. Raises ``Unavailable`` where PostgreSQL is away for longer than
    ``PATIENCE``.
    """
    # Each step is taken again while PostgreSQL is away, since nobody else can take the lease: what
    # we know would be lost, and the endpoint get it twice or be charged an attempt it never had.
    patiently = partial(waiting.until_it_works, pauses=retries.DELIVERY_STEP, within=PATIENCE)
    async with isolation.beside_others():
        claim = partial(_claim, database, settings, delivery_id, uuid4())
        claiming = asyncio.create_task(patiently(claim))
        try:
            found = await asyncio.shield(claiming)
            if found is None:
                return []
            claimed, send_before = found
            response, settlement = await _attempt_safely(
                isolation, http, settings, claimed, send_before=send_before
            )
        except asyncio.CancelledError:
            await to_the_end(_hand_back(database, claiming))
            raise
        settle = partial(_settle, database, claimed, settlement, response)
        return await to_the_end(patiently(settle))


async def _hand_back(database: Database, claiming: asyncio.Task[_Found]) -> None:
    """Let go of a delivery whose attempt was interrupted, uncharged."""
    found = await ended(claiming)
    if found is not None:
        with suppress(Unavailable):  # the lease ends by itself
            await _settle(database, found[0], _HANDED_BACK, None)


async def _attempt_safely(
    isolation: Isolation, http: Session, settings: Settings, claimed: Claimed, *, send_before: float
) -> tuple[EndpointResponse | None, Settlement]:
    if claimed.crashes >= retries.CRASHES_UNSUSPECTED and isolation.taken:
        return None, _LATER  # it would be charged for what the one before it does
    try:
        async with _suspect(isolation, settings, claimed):
            return await _attempt(http, settings, claimed, send_before=send_before)
    except Exception as error:  # noqa: BLE001 - a door: our fault costs this delivery alone
        telemetry.log.exception(
            "delivery_failed_here",
            delivery_id=claimed.delivery_id,
            **telemetry.about(claimed.event),
        )
        return None, _failed_here(claimed, error)


def _suspect(
    isolation: Isolation, settings: Settings, claimed: Claimed
) -> AbstractAsyncContextManager[None]:
    """Keep others away from an attempt that may kill the process, while the lease allows it."""
    if claimed.crashes < retries.CRASHES_UNSUSPECTED:
        return nullcontext()
    spare = settings.delivery_lease - settings.webhook_timeout - _SETTLES_WITHIN
    return isolation.alone(patience=spare)


async def _claim(database: Database, settings: Settings, delivery_id: int, lease: UUID) -> _Found:
    # One by one in each process, so that a claim counts the exchanges the one before it began.
    async with database.claiming, database.connection() as connection:
        send_before = (
            _clock() + (settings.delivery_lease - settings.webhook_timeout).total_seconds()
        )
        claimed = await storage.deliveries.claim(
            connection,
            delivery_id,
            lease=lease,
            length=settings.delivery_lease,
            in_flight=settings.webhook_in_flight,
        )
        if claimed is None:
            await storage.deliveries.release_place(connection, delivery_id)
            return None
        return claimed, send_before


async def _attempt(
    http: Session, settings: Settings, claimed: Claimed, *, send_before: float
) -> tuple[EndpointResponse | None, Settlement]:
    if claimed.crashes >= retries.CRASHES_ALLOWED:
        crashed = f"{claimed.crashes} attempts in a row had no end: the worker died or failed"
        return None, _dead("crashed", crashed)
    if claimed.event is None:
        return None, _dead("payload_gone", "The event's payload is gone")
    body = webhooks.body(claimed.event, webhooks.Format(claimed.format), sent_at=claimed.sent_at)
    headers = webhooks.headers(
        claimed.event, secrets=claimed.secrets, timestamp=int(claimed.now.timestamp()), body=body
    )
    if _clock() > send_before:
        # We were stopped: what is sent now may come after what another worker sent meanwhile.
        return None, _HANDED_BACK
    response = await exchange.post(
        http, claimed.url, body=body, headers=headers, deadline=settings.webhook_timeout
    )
    verdict = retries.judge_response(
        response,
        attempt=claimed.attempt,
        jitter=random.random(),  # noqa: S311 - spreads retries, guards nothing
        first_sent_at=claimed.sent_at,
        now=claimed.now + response.duration,
    )
    return response, _settlement(verdict, response)


def _settlement(verdict: retries.Verdict, response: EndpointResponse) -> Settlement:
    match verdict:
        case retries.Delivered():
            return Settlement("delivered", "delivered")
        case retries.Retry(after):
            return Settlement("pending", "failed", after=after)
        case retries.NotCharged(after):
            return Settlement("pending", "not_charged", after=after, charged=False)
        case retries.Gone():
            return Settlement("pending", "failed", disabled_reason="The endpoint answered 410 Gone")
        case retries.DeadLetter(reason):
            return _dead(reason, f"The last answer was {response.status or response.error}")


def _dead(reason: str, error: str) -> Settlement:
    return Settlement("dead", "failed", reason=reason, error=error)


def _failed_here(claimed: Claimed, error: Exception) -> Settlement:
    """Try again later, uncharged, as long as it may be us; then this delivery is the cause."""
    failures = claimed.crashes + 1
    if failures >= retries.CRASHES_ALLOWED:
        return _dead("failed_here", of_error(error))
    after = retries.webhook_pause(failures, jitter=random.random())  # noqa: S311 - spreads retries
    return Settlement("pending", "not_charged", after=after, charged=False, without_result=True)


async def _settle(
    database: Database, claimed: Claimed, settlement: Settlement, response: EndpointResponse | None
) -> list[int]:
    async with database.connection() as connection:
        if settlement.disabled_reason is not None:
            await storage.endpoints.disable(
                connection,
                claimed.endpoint_id,
                reason=settlement.disabled_reason,
                delivery_id=claimed.delivery_id,
                lease=claimed.lease,
            )
        settled = await storage.deliveries.settle(connection, claimed, settlement, response)
    if settled.ours:
        _record(claimed, settlement, response, settled.seconds)
    return settled.next


def _record(
    claimed: Claimed, settlement: Settlement, response: EndpointResponse | None, seconds: float
) -> None:
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

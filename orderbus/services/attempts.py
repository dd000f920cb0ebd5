"""One attempt of a delivery: from what was claimed to what is decided about it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

from orderbus import telemetry
from orderbus.domain import retries, webhooks
from orderbus.domain.retries import Settlement
from orderbus.domain.text import of_error
from orderbus.domain.webhooks import EndpointResponse
from orderbus.egress import exchange
from orderbus.services import taking
from orderbus.settings import Settings
from orderbus.storage.deliveries import Claimed, Outcome

if TYPE_CHECKING:
    from orderbus.egress.session import Session

#: What was not sent is due again at once, uncharged.
HANDED_BACK: Final = Settlement("pending", "not_charged", charged=False)


async def attempt(
    http: Session, settings: Settings, claimed: Claimed, *, send_before: float
) -> Outcome:
    """Attempt a delivery once; raises nothing, whatever fails.

    Sends nothing after ``send_before`` of ``clock``: another worker may have sent it meanwhile.
    """
    try:
        return await _attempt(http, settings, claimed, send_before=send_before)
    except Exception as error:  # noqa: BLE001 - a door: our fault costs this delivery alone
        telemetry.log.exception(
            "delivery_failed_here",
            delivery_id=claimed.delivery_id,
            **telemetry.about(claimed.event),
        )
        return Outcome(claimed, _failed_here(claimed, error))


async def _attempt(
    http: Session, settings: Settings, claimed: Claimed, *, send_before: float
) -> Outcome:
    if claimed.crashes >= retries.CRASHES_ALLOWED:
        crashed = f"{claimed.crashes} attempts in a row had no end: the worker died or failed"
        return Outcome(claimed, _dead("crashed", crashed))
    if claimed.event is None:
        return Outcome(claimed, _dead("payload_gone", "The event's payload is gone"))
    body = webhooks.body(claimed.event, webhooks.Format(claimed.format), sent_at=claimed.sent_at)
    headers = webhooks.headers(
        claimed.event,
        secrets=claimed.secrets,
        timestamp=int(claimed.now.timestamp()),
        body=body,
        own=claimed.headers,
        trace=claimed.trace,
    )
    if taking.clock() > send_before:
        return Outcome(claimed, HANDED_BACK)
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
    return Outcome(claimed, _settlement(verdict, response), response)


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

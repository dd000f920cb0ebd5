"""What is tried again, after how long, and until when, for every kind of work.

No other module holds a schedule. Nothing here knows the clock or chance: callers give jitter as a
number from 0 to 1, and SQL takes its pauses as parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from orderbus.domain.webhooks import EndpointResponse
from orderbus.errors import OrderbusError
from orderbus.handling import AtWork, handling


@dataclass(frozen=True, slots=True)
class Pauses:
    """Pauses that double with every failure in a row, from ``first`` up to ``most``.

    ``spread`` is the share by which jitter may shorten one, so that many do not come together.
    """

    first: timedelta
    most: timedelta
    spread: float = 0

    def after(self, failures: int, *, jitter: float = 0) -> timedelta:
        """Return the pause after so many failures in a row, counted from 1."""
        doubled = self.first * (1 << min(failures - 1, 20))
        return min(doubled, self.most) * (1 - self.spread * jitter)

    def listed(self) -> list[timedelta]:
        """List the pauses up to the longest, which goes on for ever: SQL picks one by its place."""
        pauses = [self.first]
        while pauses[-1] < self.most:
            pauses.append(self.after(len(pauses) + 1))
        return pauses


def _seconds(first: float, most: float | None = None, *, spread: float = 0) -> Pauses:
    return Pauses(timedelta(seconds=first), timedelta(seconds=most or first), spread)


#: A queue message whose actor raised, and what has to be written down of it.
MESSAGE: Final = _seconds(2, 30, spread=0.5)
#: A consumption whose work raised; its first pause is a setting.
LONGEST_OF_CONSUMPTION: Final = timedelta(minutes=5)
#: After which more events of an order go out, where many happened at once.
BETWEEN_EVENTS: Final = timedelta(seconds=1)
#: A batch of the outbox that Pub/Sub did not take.
PUBLISH: Final = _seconds(0.1)
#: The probe of a single event while Pub/Sub takes nothing.
PROBE: Final = _seconds(0.25, 2)
#: An event that was published and did not come back, where nothing at all comes back.
LOST_EVENT: Final = _seconds(10, 600)
#: The same where others came back after it, and where a backlog comes back out of order.
LATE_EVENT: Final = _seconds(15, 600)
BACKLOG_EVENT: Final = _seconds(600)
#: A step of a job that met something that is away, or a lock.
STEP_OF_JOB: Final = _seconds(2, 60)

#: The pauses of a webhook before its first attempt and after each failed one.
WEBHOOK_SCHEDULE: Final = tuple(
    timedelta(seconds=seconds)
    for seconds in (0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
#: Share of such a pause by which it may be longer or shorter.
WEBHOOK_JITTER: Final = 0.1
LONGEST_RETRY_AFTER: Final = timedelta(days=1)
#: A webhook that failed through our own fault.
STALLED: Final = timedelta(seconds=5)
RESOLVER_AWAY: Final = timedelta(seconds=10)
#: A resolver that fails for a while is taken for ours, and not charged, on a delivery's first day.
#: A zone that its owner broke gives the same answer, and must not hold its order for ever.
RESOLVER_TRUSTED_FOR: Final = timedelta(days=1)
#: Attempts in a row that may end without a result, because the worker died or failed, before the
#: delivery is taken for the cause.
CRASHES_ALLOWED: Final = 5
#: How many of them may be somebody else's fault; after that it is attempted alone.
CRASHES_UNSUSPECTED: Final = 2

# What waits within a process for something to come back; see ``orderbus.waiting``.

#: A connection to an endpoint that was never made, and how often it is tried in one exchange.
CONNECTION: Final = _seconds(0.1)
CONNECTION_ATTEMPTS: Final = 2
#: What came of a delivery or consumption, while PostgreSQL is away: nobody else knows it.
DELIVERY_STEP: Final = _seconds(0.05, 0.5)
#: A batch that came back from Pub/Sub while PostgreSQL is away.
BRIDGE_BATCH: Final = _seconds(0.1, 2)
#: The subscription, and each stream on it, while Pub/Sub is away.
SUBSCRIPTION: Final = _seconds(0.1, 0.8)
#: A worker's consumer of a queue while RabbitMQ is away.
RABBITMQ_CONSUMER: Final = _seconds(0.5)
#: The port of health and metrics while another process has it.
PORT: Final = _seconds(0.5, 2)
#: A dependency or another migration, for which ``orderbus migrate`` waits.
MIGRATE: Final = _seconds(0.5)
#: A process that ``orderbus up`` or ``demo`` started, and what it shall bring about.
STARTED: Final = _seconds(0.05)


@dataclass(frozen=True, slots=True)
class Delivered:
    """The endpoint has it."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again ``after`` this pause, and count the attempt."""

    after: timedelta


@dataclass(frozen=True, slots=True)
class NotCharged:
    """Not its fault: try again ``after`` this pause, and do not count the attempt."""

    after: timedelta


@dataclass(frozen=True, slots=True)
class Gone:
    """The endpoint wants nothing more: disable it and hold what it is owed."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Nothing more is tried, for a short ``reason``."""

    reason: str


Verdict = Delivered | Retry | NotCharged | Gone | DeadLetter


@dataclass(frozen=True, slots=True)
class Settlement:
    """What becomes of a claimed delivery.

    ``state`` pending with ``after`` is a later attempt; ``charged`` false gives the attempt back.
    ``disabled_reason``: its endpoint was disabled, see ``storage.endpoints.disable``.
    ``outcome`` is the attempt's: delivered, failed or not_charged. ``without_result`` counts it
    among those that ended without one, whose number a result ends.
    """

    state: str
    outcome: str
    after: timedelta = timedelta(0)
    charged: bool = True
    without_result: bool = False
    disabled_reason: str | None = None
    reason: str | None = None
    error: str | None = None


def judge_error(
    error: BaseException,
    pauses: Pauses,
    *,
    failures: int,
    waits: int,
    allowed: int,
    asked: timedelta | None = None,
    jitter: float = 0,
) -> Retry | NotCharged | DeadLetter:
    """Say what becomes of a queue message or consumption after an error, by the error's class.

    ``failures`` were counted before this one, ``waits`` were not; ``allowed`` failures are tried
    again. A pause that was ``asked`` for is honoured up to the longest of ``pauses``.
    """
    match handling(error).worker:
        case AtWork.RETRY:
            least = min(asked or timedelta(0), pauses.most)
            return NotCharged(max(pauses.after(waits + 1, jitter=jitter), least))
        case AtWork.DEAD_LETTER if isinstance(error, OrderbusError):
            return DeadLetter(error.reason)
    if failures >= allowed:
        return DeadLetter("retries_exhausted")
    return Retry(pauses.after(failures + 1, jitter=jitter))


def judge_response(
    answer: EndpointResponse, *, attempt: int, jitter: float, first_sent_at: datetime, now: datetime
) -> Verdict:
    """Say what follows from an answer to the ``attempt``-th attempt, counted from 1.

    A ``Retry-After`` is honoured up to a day, and never cut short by jitter.
    """
    if answer.error is None and answer.status is not None:
        if 200 <= answer.status <= 299:  # noqa: PLR2004
            return Delivered()
        if answer.status == 410:  # noqa: PLR2004 - Gone
            return Gone()
    if answer.error == "stalled":
        return NotCharged(STALLED)
    if answer.error == "dns_temporary" and now - first_sent_at < RESOLVER_TRUSTED_FOR:
        return NotCharged(RESOLVER_AWAY)
    if attempt >= len(WEBHOOK_SCHEDULE):
        return DeadLetter("exhausted")
    asked = _retry_after(answer.retry_after, now)
    return Retry(max(webhook_pause(attempt, jitter=jitter), min(asked, LONGEST_RETRY_AFTER)))


def webhook_pause(attempt: int, *, jitter: float) -> timedelta:
    """Return the pause after the ``attempt``-th failure."""
    return WEBHOOK_SCHEDULE[attempt] * (1 + WEBHOOK_JITTER * (2 * jitter - 1))


def _retry_after(value: str | None, now: datetime) -> timedelta:
    """Read seconds or an HTTP date (RFC 9110 section 10.2.3); anything else asks for nothing."""
    value = (value or "").strip()
    if value.isascii() and value.isdigit():
        return timedelta(seconds=int(value[:9]))
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return timedelta(0)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(moment - now, timedelta(0))

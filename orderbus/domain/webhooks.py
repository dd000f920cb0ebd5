"""A webhook: its bytes, its signature, and what an answer to it means.

Signatures follow Standard Webhooks 1.0 (https://www.standardwebhooks.com/).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets as randomness
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from orderbus.domain import json
from orderbus.domain.events import Event, rfc3339
from orderbus.errors import Fault, Invalid

#: Pauses before the first attempt and after each failed one.
SCHEDULE: Final = tuple(
    timedelta(seconds=seconds)
    for seconds in (0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
#: Share of a pause by which it may be longer or shorter.
JITTER: Final = 0.1
LONGEST_RETRY_AFTER: Final = timedelta(days=1)
#: Attempts in a row that may end without a result, because the worker died or failed, before the
#: delivery is taken for the cause.
CRASHES_ALLOWED: Final = 5
#: How many of them may be somebody else's fault; after that it is attempted alone.
CRASHES_UNSUSPECTED: Final = 2
#: A resolver that fails for a while is taken for ours, and not charged, on a delivery's first day.
#: A zone that its owner broke gives the same answer, and must not hold its order for ever.
RESOLVER_TRUSTED_FOR: Final = timedelta(days=1)

_GONE: Final = 410
#: RFC 3986 section 2: what a URL may hold, in its own bytes.
_PLAIN: Final = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")
_NAME: Final = re.compile(r"(?=.{1,253}\Z)(\w([\w-]{0,61}\w)?\.)*\w([\w-]{0,61}\w)?", re.ASCII)
#: A host that ends so is read as an IPv4 address by some, whatever it looks like.
_NUMERIC: Final = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)\.?")


class Format(StrEnum):
    """What the body of a webhook holds."""

    COMPACT = "compact"
    EVENT = "event"


@dataclass(frozen=True, slots=True)
class EndpointResponse:
    """What came of one exchange with an endpoint.

    ``error`` is None where a whole answer arrived; otherwise a short class: dns, dns_temporary,
    refused_address, connect, tls, timeout, protocol. ``status`` beside an error is that of an
    answer that began and did not end. ``head`` is the beginning of the body.
    """

    status: int | None
    retry_after: str | None
    error: str | None
    detail: str
    head: bytes
    duration: timedelta
    address: str | None


@dataclass(frozen=True, slots=True)
class Delivered:
    """The endpoint has it."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again ``after`` this pause."""

    after: timedelta


@dataclass(frozen=True, slots=True)
class NotCharged:
    """Our own fault: try again ``after`` this pause, and do not count the attempt."""

    after: timedelta


@dataclass(frozen=True, slots=True)
class Gone:
    """The endpoint wants nothing more: disable it and hold what it is owed."""


@dataclass(frozen=True, slots=True)
class Exhausted:
    """The schedule is over."""

    reason: str


Verdict = Delivered | Retry | NotCharged | Gone | Exhausted


def new_secret() -> str:
    """Make a secret of 32 random bytes, written as Standard Webhooks writes them."""
    return "whsec_" + base64.b64encode(randomness.token_bytes(32)).decode()


def check_secret(secret: str) -> None:
    """Pass if ``secret`` is ``whsec_`` and base64 of 24 to 64 bytes; raises ``Invalid``."""
    try:
        key = _key(secret)
    except (ValueError, binascii.Error):
        key = b""
    if not secret.startswith("whsec_") or not 24 <= len(key) <= 64:  # noqa: PLR2004
        message = "A webhook secret is whsec_ followed by base64 of 24 to 64 bytes"
        raise Invalid(message, [Fault("/secret", "secret", message)])


def can_sign(secret: str) -> bool:
    """Say whether a secret is a text of its own, or a ``whsec_`` one that holds a key."""
    if not secret.startswith("whsec_"):
        return True
    try:
        check_secret(secret)
    except Invalid:
        return False
    return True


def check_url(url: str) -> None:
    """Pass if webhooks can be sent to ``url``; raises ``Invalid``. Looks nothing up."""
    try:
        parts = urlsplit(url)
        named = _is_host(parts.hostname or "") and (parts.port is None or parts.port > 0)
    except ValueError as error:
        raise Invalid(f"The URL is none: {error}", [Fault("/url", "url", str(error))]) from None
    rules = (
        (parts.scheme in {"http", "https"}, "must begin with http:// or https://"),
        (named, "must name a host, by its name or its plain address"),
        ("@" not in parts.netloc, "must not hold a user name or password"),
        (not parts.fragment, "must not hold a fragment"),
        (_PLAIN.fullmatch(url), "must hold no characters but those of RFC 3986"),
    )
    for holds, rule in rules:
        if not holds:
            raise Invalid(f"The URL {rule}", [Fault("/url", "url", rule)])


def _is_host(host: str) -> bool:
    if ":" in host or _NUMERIC.fullmatch(host):
        try:
            return "%" not in host and bool(ip_address(host))
        except ValueError:
            return False
    return _NAME.fullmatch(host.removesuffix(".")) is not None


def body(event: Event, body_format: Format, *, sent_at: datetime) -> bytes:
    """Write what is sent; equal arguments give equal bytes, so every retry sends the same."""
    if body_format is Format.COMPACT:
        content: dict[str, object] = {
            "event": event.type,
            "order_id": event.order["order_id"],
            "customer_name": event.order["customer"]["name"],
            "total": event.order["total"],
            "sent_at": rfc3339(sent_at),
        }
    else:
        content = {
            "id": str(event.id),
            "type": event.type,
            "sequence": event.sequence,
            "occurred_at": rfc3339(event.occurred_at),
            "data": event.order,
        }
    return json.dumps(content).encode()


def headers(event: Event, *, secrets: Sequence[str], timestamp: int, body: bytes) -> dict[str, str]:
    """Write the headers of one attempt; ``webhook-id`` is the event's id, on every attempt."""
    message_id = str(event.id)
    return {
        "Content-Type": "application/json",
        "User-Agent": "orderbus/0.1",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(secrets, message_id=message_id, timestamp=timestamp, body=body),
        "orderbus-event-type": event.type,
        "orderbus-sequence": str(event.sequence),
    }


def sign(secrets: Sequence[str], *, message_id: str, timestamp: int, body: bytes) -> str:
    """Sign with every secret, so that a receiver may hold any of them."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return " ".join(
        "v1," + base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256)).decode()
        for secret in secrets
    )


def judge(
    answer: EndpointResponse, *, attempt: int, jitter: float, first_sent_at: datetime, now: datetime
) -> Verdict:
    """Say what follows from an answer to the ``attempt``-th attempt, counted from 1.

    ``jitter`` is a random number from 0 to 1. A ``Retry-After`` is honoured up to a day, and never
    cut short by jitter.
    """
    if answer.error is None and answer.status is not None:
        if 200 <= answer.status <= 299:  # noqa: PLR2004
            return Delivered()
        if answer.status == _GONE:
            return Gone()
    if answer.error == "stalled":
        return NotCharged(timedelta(seconds=5))
    if answer.error == "dns_temporary" and now - first_sent_at < RESOLVER_TRUSTED_FOR:
        return NotCharged(timedelta(seconds=10))
    if attempt >= len(SCHEDULE):
        return Exhausted("exhausted")
    pause = pause_after(attempt, jitter=jitter)
    asked = _retry_after(answer.retry_after, now)
    return Retry(max(pause, min(asked, LONGEST_RETRY_AFTER)))


def pause_after(attempt: int, *, jitter: float) -> timedelta:
    """Say how long to wait after the ``attempt``-th failure; ``jitter`` as for ``judge``."""
    return SCHEDULE[attempt] * (1 + JITTER * (2 * jitter - 1))


def _retry_after(value: str | None, now: datetime) -> timedelta:
    """Read seconds or an HTTP date (RFC 9110 section 10.2.3); anything else asks for nothing."""
    if value is None:
        return timedelta(0)
    value = value.strip()
    if value.isascii() and value.isdigit():
        return timedelta(seconds=int(value[:9]))
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return timedelta(0)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(moment - now, timedelta(0))


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix("whsec_"), validate=True)

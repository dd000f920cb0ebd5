"""What a webhook is: its bytes, its signature (Standard Webhooks 1.0), and what may come back."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets as randomness
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import ip_address
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from orderbus.domain import json, source1
from orderbus.domain.events import Event, rfc3339
from orderbus.errors import Fault, Invalid

#: RFC 3986 section 2: what a URL may hold, in its own bytes.
_PLAIN: Final = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")
_NAME: Final = re.compile(r"(?=.{1,253}\Z)(\w([\w-]{0,61}\w)?\.)*\w([\w-]{0,61}\w)?", re.ASCII)
#: As the table of endpoints holds them.
LONGEST_URL: Final = 2000
#: A host that ends so is read as an IPv4 address by some, whatever it looks like.
_NUMERIC: Final = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)\.?")


class Format(StrEnum):
    """What the body of a webhook holds."""

    COMPACT = "compact"
    EVENT = "event"
    #: The two events of the order services that spoke over RabbitMQ, in their own words.
    SOURCE1 = "source1"


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


def new_secret() -> str:
    """Make a secret of 32 random bytes, written as Standard Webhooks writes them."""
    return "whsec_" + base64.b64encode(randomness.token_bytes(32)).decode()


def check_secret(secret: str) -> None:
    """Pass if ``secret`` is ``whsec_`` and base64 of 24 to 64 bytes; raises ``Invalid``."""
    if not (secret.startswith("whsec_") and can_sign(secret)):
        message = "A webhook secret is whsec_ followed by base64 of 24 to 64 bytes"
        raise Invalid(message, [Fault("/secret", "secret", message)])


def can_sign(secret: str) -> bool:
    """Say whether a secret is a text of its own, or a ``whsec_`` one that holds a key."""
    try:
        return not secret.startswith("whsec_") or 24 <= len(_key(secret)) <= 64  # noqa: PLR2004
    except ValueError:
        return False


def check_url(url: str) -> None:
    """Pass if webhooks can be sent to ``url``; raises ``Invalid``. Looks nothing up."""
    try:
        split = urlsplit(url)
        named = _is_host(split.hostname or "") and (split.port is None or split.port > 0)
    except ValueError as error:
        raise Invalid(f"The URL is none: {error}", [Fault("/url", "url", str(error))]) from None
    rules = (
        (split.scheme in {"http", "https"}, "must begin with http:// or https://"),
        (named, "must name a host, by its name or its plain address"),
        ("@" not in split.netloc, "must not hold a user name or password"),
        (not split.fragment, "must not hold a fragment"),
        (len(url) <= LONGEST_URL, f"must have at most {LONGEST_URL} characters"),
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
    if body_format is Format.SOURCE1:
        return source1.body(event)
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


def headers(
    event: Event,
    *,
    secrets: Sequence[str],
    timestamp: int,
    body: bytes,
    own: Mapping[str, str] = MappingProxyType({}),
    trace: bool = False,
) -> dict[str, str]:
    """Write the headers of one attempt; ``webhook-id`` is the event's id, on every attempt.

    ``own`` are those the endpoint was given; a ``User-Agent`` among them stands for ours. With
    ``trace`` the event's ``traceparent`` goes along, where it has one.
    """
    message_id = str(event.id)
    traced = {"traceparent": event.traceparent} if trace and event.traceparent else {}
    named = any(name.lower() == "user-agent" for name in own)
    return {
        **own,
        **({} if named else {"User-Agent": "orderbus/0.1"}),
        **traced,
        "Content-Type": "application/json",
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


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix("whsec_"), validate=True)

"""Whether one of our senders signed a body.

Three schemes: hex HMAC-SHA256 (``X-Webhook-Signature``), the same in base64
(``X-Shopify-Hmac-SHA256``), and Standard Webhooks 1.0 (``webhook-id``, ``webhook-timestamp``,
``webhook-signature``), which alone has a time and so refuses replays.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from orderbus.errors import Unauthenticated

#: How far a Standard Webhooks timestamp may lie in the past or the future.
TOLERANCE: Final = timedelta(minutes=5)
_LONGEST: Final = 4096
_MOST_SIGNATURES: Final = 16
_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}")
_HEX: Final = re.compile(r"[0-9a-fA-F]{64}")
_ID: Final = re.compile(r"[\x21-\x2d\x2f-\x7e]{1,255}")


def verify(
    headers: Mapping[str, str], body: bytes, secrets: Sequence[str], *, now: datetime
) -> None:
    """Return if one of ``secrets`` signed ``body``; raise ``Unauthenticated``, and nothing else.

    ``headers`` must find names whatever their case. Where several schemes are present, the one
    with a time decides. Secrets are compared in constant time.
    """
    plain = [secret.encode() for secret in secrets]
    if "webhook-signature" in headers:
        _standard(headers, body, secrets, now)
    elif "X-Webhook-Signature" in headers:
        _check([_from_hex(headers["X-Webhook-Signature"])], body, plain)
    elif "X-Shopify-Hmac-SHA256" in headers:
        _check([_from_base64(headers["X-Shopify-Hmac-SHA256"])], body, plain)
    else:
        raise Unauthenticated(
            "The signature is missing: send X-Webhook-Signature, X-Shopify-Hmac-SHA256 "
            "or the headers of Standard Webhooks"
        )


def _standard(
    headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime
) -> None:
    message_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    if not _ID.fullmatch(message_id):
        raise Unauthenticated("webhook-id is missing or not an id")
    if not _TIMESTAMP.fullmatch(timestamp):
        raise Unauthenticated("webhook-timestamp is missing or not whole seconds")
    if abs(int(timestamp) - now.timestamp()) > TOLERANCE.total_seconds():
        raise Unauthenticated("webhook-timestamp is too far from now: the signature is stale")
    signed = f"{message_id}.{timestamp}.".encode() + body
    presented = _listed(headers["webhook-signature"])
    _check(presented, signed, [_key(secret) for secret in secrets])


def _check(presented: Sequence[bytes], signed: bytes, keys: Sequence[bytes]) -> None:
    macs = [hmac.digest(key, signed, hashlib.sha256) for key in keys]
    matches = [hmac.compare_digest(mac, each) for mac in macs for each in presented]
    if not any(matches):
        raise _wrong()


def _listed(header: str) -> list[bytes]:
    if len(header) > _LONGEST:
        raise _wrong()
    signatures = []
    for token in header.split(" ")[:_MOST_SIGNATURES]:
        version, _, value = token.partition(",")
        if version == "v1":
            with suppress(Unauthenticated):  # another one of the list may be right
                signatures.append(_from_base64(value))
    return signatures


def _from_hex(value: str) -> bytes:
    value = value.removeprefix("sha256=")
    if not _HEX.fullmatch(value):
        raise _wrong()
    return bytes.fromhex(value)


def _from_base64(value: str) -> bytes:
    if len(value) > _LONGEST or not value.isascii():
        raise _wrong()
    try:
        return base64.b64decode(value, validate=True)
    except ValueError:
        raise _wrong() from None


def _key(secret: str) -> bytes:
    """Read a ``whsec_`` secret; any other text is the key itself."""
    if secret.startswith("whsec_"):
        with suppress(ValueError):
            return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    return secret.encode()


def _wrong() -> Unauthenticated:
    return Unauthenticated("The signature is wrong")

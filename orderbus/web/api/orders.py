"""Orders come in, and can be read."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from datetime import UTC, datetime
from typing import Final

from aiohttp import web

from orderbus import services, telemetry
from orderbus.domain import orders, signatures
from orderbus.errors import Fault, Invalid, TooLarge, Unauthenticated, UnknownMediaType
from orderbus.web.keys import DATABASE, SETTINGS, WAKER

#: Seconds a sender may take for the body.
READ_TIMEOUT: Final = 10.0
_TRACEPARENT: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_KEY: Final = re.compile(r"[\x20-\x7e]{1,255}")


async def create(request: web.Request) -> web.Response:
    """Take an order: size, kind, signature and shape are checked before the database is asked."""
    settings = request.app[SETTINGS]
    body = await _body(request, at_most=settings.max_body)
    if settings.webhook_secrets:
        signatures.verify(
            request.headers,
            body,
            [secret.get_secret_value() for secret in settings.webhook_secrets],
            now=datetime.now(UTC),
        )
    order = orders.parse(body, idempotency_key=_idempotency_key(request))
    traceparent = _traceparent(request)
    placed = await services.ingress.place_order(
        request.app[DATABASE], order, traceparent=traceparent
    )
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Location": f"/orders/{placed.order_id}",
        "traceparent": traceparent,
    }
    if placed.created:
        request.app[WAKER].wake()
        telemetry.log.info(
            "order_accepted", order_id=str(placed.order_id), external_ref=placed.external_ref
        )
    else:
        headers["Idempotent-Replayed"] = "true"
    return web.Response(
        status=201 if placed.created else 200,
        body=json.dumps({"ok": True, "order_id": placed.external_ref}).encode(),
        headers=headers,
    )


async def show(request: web.Request) -> web.Response:
    """Show an order to whoever holds an API key: it names a person."""
    settings, database = request.app[SETTINGS], request.app[DATABASE]
    if not settings.open_on_loopback:
        await services.keys.check(database, settings, _presented_key(request))
    id_or_ref = request.match_info["id"]
    if "\x00" in id_or_ref or not id_or_ref.isprintable():
        raise web.HTTPNotFound
    return web.json_response(await services.orders.find(database, id_or_ref))


async def _body(request: web.Request, *, at_most: int) -> bytes:
    """Read the body up to its cap; raises ``TooLarge``, ``UnknownMediaType``, ``Invalid``."""
    kind = request.content_type
    if kind != "application/json" and not (
        kind.startswith("application/") and kind.endswith("+json")
    ):
        message = f"Send application/json, not {kind}"
        raise UnknownMediaType(message)
    if request.headers.get("Content-Encoding", "identity") != "identity":
        message = "Send the body without Content-Encoding"
        raise UnknownMediaType(message)
    if (request.content_length or 0) > at_most:
        raise _too_large(at_most)
    pieces, size = [], 0
    try:
        async with asyncio.timeout(READ_TIMEOUT):
            async for piece in request.content.iter_chunked(65_536):
                size += len(piece)
                if size > at_most:
                    raise _too_large(at_most)
                pieces.append(piece)
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
    return b"".join(pieces)


def _too_large(at_most: int) -> TooLarge:
    message = f"The body is larger than {at_most} bytes"
    return TooLarge(message, [Fault("", "too_large", message)])


def _idempotency_key(request: web.Request) -> str | None:
    """Read the key as a quoted structured string (the draft's way) or as it stands."""
    value = request.headers.get("Idempotency-Key")
    if value is None:
        return None
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    if not _KEY.fullmatch(value):
        message = "The Idempotency-Key is empty, too long or not printable ASCII"
        raise Invalid(message, [Fault("", "idempotency_key", message)])
    return value


def _traceparent(request: web.Request) -> str:
    """Go on with the caller's trace (W3C Trace Context), or begin one."""
    given = request.headers.get("traceparent", "")
    if _TRACEPARENT.fullmatch(given):
        return given
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def _presented_key(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    if "X-API-Key" in request.headers:
        return request.headers["X-API-Key"]
    message = "Reading orders takes an API key: Authorization: Bearer KEY"
    raise Unauthenticated(message)

"""Reads requests: size, media type, keys and authority, before anything is done about them."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel, ValidationError

from orderbus import services
from orderbus.domain import json, rights
from orderbus.domain.orders import faults
from orderbus.domain.rights import Caller
from orderbus.domain.text import brief
from orderbus.domain.traces import trace_id
from orderbus.errors import (
    Fault,
    Invalid,
    NotFound,
    TooLarge,
    Unauthenticated,
    UnknownMediaType,
    Unseen,
)
from orderbus.web import open_access
from orderbus.web.app_keys import DATABASE, ROUTES, SETTINGS
from orderbus.web.routes import Route

Model = TypeVar("Model", bound=BaseModel)

#: Seconds a sender may take for the body.
READ_TIMEOUT: Final = 10.0
#: Who calls, as the history names them: where the route asks who that is.
CALLER: Final = web.RequestKey("caller", str)
#: The same, with what they are; and whether the route is theirs for all, or for their own alone.
WHO: Final = web.RequestKey("who", Caller)
EXTENT: Final = web.RequestKey("extent", str)
_TRACEPARENT: Final = web.RequestKey("traceparent", str)
_KEY: Final = re.compile(r"[\x20-\x7e]{1,255}")
_ENTITY_TAG: Final = re.compile(r'(?:W/)?"([^"]*)"')


def is_json(media_type: str) -> bool:
    """Say whether a body of this type is JSON; without a type, ``""``, none says so."""
    return media_type == "application/json" or (
        media_type.startswith("application/") and media_type.endswith("+json")
    )


def media_type(request: web.Request) -> str:
    """Read of what type the body is; ``""`` where nothing says so."""
    return request.content_type if "Content-Type" in request.headers else ""


async def body(request: web.Request, *, taken: Callable[[str], bool] = is_json) -> bytes:
    """Read the body up to its cap, if its media type is ``taken``.

    Raises ``TooLarge``, ``UnknownMediaType``, ``Invalid``.
    """
    at_most = request.app[SETTINGS].max_body
    _look_at_head(request, at_most, taken)
    try:
        if request.content_length and request.content.is_eof():  # it came with the head
            return request.content.read_nowait()
        pieces, size = [], 0
        async with asyncio.timeout(READ_TIMEOUT):
            async for piece in request.content.iter_chunked(65_536):
                size += len(piece)
                if size > at_most:
                    raise _too_large(at_most)
                pieces.append(piece)
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
    except (ConnectionError, web.RequestPayloadError):
        message = "The body is incomplete: the connection ended before it did"
        raise Invalid(message, [Fault("", "incomplete", message)]) from None
    return b"".join(pieces)


def _look_at_head(request: web.Request, at_most: int, taken: Callable[[str], bool]) -> None:
    kind = media_type(request)
    if not taken(kind):
        given = f"is {brief(kind)!r}" if kind else "is missing"
        raise UnknownMediaType(f"Content-Type {given}: must be application/json")
    encoding = request.headers.get("Content-Encoding", "identity")
    if encoding != "identity":
        raise UnknownMediaType(f"Content-Encoding is {brief(encoding, 40)!r}: none is allowed")
    if (request.content_length or 0) > at_most:
        raise _too_large(at_most)


async def model_or_none(request: web.Request, model: type[Model]) -> tuple[bytes, Model]:
    """Read a body that may be missing; raises as ``body``, and ``Invalid``."""
    text = await body(request) if request.can_read_body else b""
    return text, valid(model, members(text) if text else {})


def members(text: bytes) -> dict[str, Any]:
    """Read the members of a body; raises ``Invalid`` where it is no JSON object."""
    found = json.loads(text)
    if not isinstance(found, dict):
        message = f"The body is {brief(text.decode(), 40)!r}: must be an object"
        raise Invalid(message, [Fault("", "object", message)])
    return found


def valid(model: type[Model], found: Mapping[str, Any]) -> Model:
    """Make a model of the members of a body; raises ``Invalid`` with each fault."""
    try:
        return model.model_validate(found)
    except ValidationError as error:
        raise invalid("request", faults(error)) from None


def number(request: web.Request, name: str) -> int:
    """Read the number of a row from the path; what is none names nothing: ``NotFound``."""
    given = request.match_info[name]
    if not re.fullmatch("[0-9]{1,18}", given, re.ASCII):
        raise NotFound(f"No {name} {brief(ascii(given), 40)}")
    return int(given)


def invalid(what: str, found: list[Fault]) -> Invalid:
    """Say what is wrong with the query or the request; the first fault stands in the sentence."""
    return Invalid(f"The {what} is not valid: {found[0].pointer[1:]} {found[0].detail}", found)


def _too_large(at_most: int) -> TooLarge:
    message = f"The body is larger than {at_most} bytes"
    return TooLarge(message, [Fault("", "too_large", message)])


def idempotency_key(request: web.Request) -> str | None:
    """Read the key as a quoted structured string (the draft's way) or as it stands."""
    value = request.headers.get("Idempotency-Key")
    if value is None:
        return None
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    if not _KEY.fullmatch(value):
        message = f"Idempotency-Key is {brief(value, 40)!r}: must be 1 to 255 of printable ASCII"
        raise Invalid(message, [Fault("", "idempotency_key", message)])
    return value


def traceparent(request: web.Request) -> str:
    """Go on with the caller's trace (W3C Trace Context), or begin one: once for each request."""
    if _TRACEPARENT not in request:
        given = request.headers.get("traceparent", "")
        if trace_id(given) is None:
            ids = secrets.token_hex(24)
            given = f"00-{ids[:32]}-{ids[32:]}-01"
        request[_TRACEPARENT] = given
    return request[_TRACEPARENT]


def seen_sequence(request: web.Request, *, required: bool = False) -> int | None:
    """Read which version of an order the caller saw (``If-Match``); None where any will do.

    A tag that is none of ours fits no version: it is read as version 0. Raises ``Unseen`` where it
    is ``required`` and missing.
    """
    given = request.headers.get("If-Match")
    if given is None and required:
        raise Unseen("If-Match is missing: send the ETag of the order that is to be changed")
    if given is None or given.strip() == "*":
        return None
    tags = _ENTITY_TAG.findall(given)
    return int(tags[0]) if len(tags) == 1 and re.fullmatch("[0-9]{1,18}", tags[0]) else 0


async def authorize(request: web.Request, name: str) -> None:
    """See who the caller is, by a token or an API key, and that they may do ``name``.

    That is a route, or what one does for some alone, as the table of rights names it.

    Raises ``Unauthenticated``, ``Forbidden``, ``Unavailable``.
    """
    request[WHO] = caller = await _caller(request)
    request[CALLER] = caller.name
    request[EXTENT] = rights.extent(caller, name)


async def _caller(request: web.Request) -> Caller:
    if "X-API-Key" not in request.headers and "Authorization" not in request.headers:
        return Caller(open_access.admit(request), frozenset({rights.Role.SUPERUSER}))
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    is_bearer = scheme.lower() == "bearer" and token
    key = token.strip() if is_bearer else request.headers.get("X-API-Key")
    if key is None:
        raise Unauthenticated(open_access.NO_KEY)
    check = (
        services.tokens.check if services.tokens.looks_like_one(key) else services.api_keys.check
    )
    return await check(request.app[DATABASE], request.app[SETTINGS], key)


def only_own(request: web.Request) -> Caller | None:
    """Name the caller where they may see their own alone; None where they may see all."""
    return request[WHO] if request[EXTENT] == "own" else None


def only_customer(request: web.Request) -> UUID | None:
    """Name the customer whose alone is there for the caller; None where they may see all.

    Raises ``NotFound`` where nothing can be the caller's own.
    """
    caller = only_own(request)
    if caller is not None and caller.customer is None:
        raise NotFound("Not found.")
    return caller.customer if caller else None


def key_of(request: web.Request) -> str | None:
    """Name the key that ``authorize`` found; None where nobody had to show one."""
    return None if request[CALLER] == open_access.CALLER else request[CALLER]


def route_of(request: web.Request) -> Route | None:
    """Find what the path says of itself; None where there is none, or not with this method."""
    return request.app[ROUTES].get(request.match_info.route)

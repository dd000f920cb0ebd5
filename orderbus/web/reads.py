"""What is only read, and what a caller has to show to see what they wrote."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Concatenate, Final, ParamSpec, TypeVar

from aiohttp import hdrs, web

from orderbus.storage.database import Connection, Database
from orderbus.web.app_keys import READS

P = ParamSpec("P")
T = TypeVar("T")

#: Answered to what changes something; a read that carries it sees that change.
CONSISTENCY: Final = "Orderbus-Consistency"
_READING: Final = frozenset((hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS))


def seen(request: web.Request) -> str | None:
    """Read what the caller has seen, if they say."""
    return request.headers.get(CONSISTENCY)


async def read(request: web.Request, question: Callable[[Database], Awaitable[T]]) -> T:
    """Ask a question that changes nothing, see ``services.reads``."""
    return await request.app[READS].read(seen(request), question)


async def ask(
    request: web.Request,
    question: Callable[Concatenate[Connection, P], Awaitable[T]],
    *given: P.args,
    **named: P.kwargs,
) -> T:
    """Ask one thing that changes nothing."""
    return await request.app[READS].ask(seen(request), question, *given, **named)


async def with_what_shows_it(
    request: web.Request, response: web.StreamResponse
) -> web.StreamResponse:
    """Say in the answer to a change what shows it; nothing where there is no replica."""
    if request.method in _READING or response.status >= web.HTTPBadRequest.status_code:
        return response
    if (position := await request.app[READS].position()) is not None:
        response.headers[CONSISTENCY] = position
    return response

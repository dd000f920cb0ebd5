"""One POST to an endpoint, whose result is known whatever the other side does."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

import aiohttp
from aiohttp import ClientResponse
from yarl import URL

from orderbus.domain.text import of_error
from orderbus.domain.webhooks import EndpointResponse
from orderbus.egress.address_filter import ForbiddenAddressError, connected_to
from orderbus.egress.session import Session

#: Bytes of an answer that are read at most, after decompression.
READ_AT_MOST: Final = 65_536
#: Bytes of it that the ledger keeps.
KEEP_AT_MOST: Final = 2048
#: Seconds a deadline is noticed too late by a process that was stopped, and seconds it then has.
_STALLED: Final = 1.0
_MOMENT: Final = 1.0


async def post(
    session: Session, url: str, *, body: bytes, headers: Mapping[str, str], deadline: timedelta
) -> EndpointResponse:
    """POST ``body`` and say what came of it; never raises for what the other side does.

    ``deadline`` covers the whole exchange, from the DNS query to the last byte read. An answer is
    whole when its body ended or 64 KiB of it were read; the connection is closed then, so an
    endless body or a decompression bomb ends there. One that began and did not become whole, be it
    a 200, has failed: ``status`` says what it began with and ``error`` why it did not end.
    """
    began = time.monotonic()
    addresses: list[str] = []
    token = connected_to.set(addresses)
    status, retry_after, head = None, None, b""
    error: str | None = None
    detail = ""
    try:
        async with (
            _at_most(deadline),
            session.post(
                # Encoded: aiohttp would write %2F in a query as a slash, and break signed URLs.
                URL(url, encoded=True),
                data=body,
                headers=dict(headers),
                allow_redirects=False,
            ) as response,
        ):
            status, retry_after = response.status, response.headers.get("Retry-After")
            head = await _read(response)
    except (aiohttp.ClientError, OSError, ValueError, EOFError) as failure:
        error, detail = _class_of(failure), _sentence(failure)
    finally:
        connected_to.reset(token)
    return EndpointResponse(
        status=status,
        retry_after=retry_after,
        error=error,
        detail=detail,
        head=head[:KEEP_AT_MOST],
        duration=timedelta(seconds=time.monotonic() - began),
        address=addresses[-1] if addresses else None,
    )


class _StalledError(TimeoutError):
    """The deadline passed while this process did nothing."""


@asynccontextmanager
async def _at_most(deadline: timedelta) -> AsyncIterator[None]:
    """End what takes longer; raises ``TimeoutError``.

    A process that was stopped, or starved, meanwhile has not looked at answers that are long there:
    it gets a moment for that, and where none is there, the fault is ours.
    """
    loop = asyncio.get_running_loop()
    when = loop.time() + deadline.total_seconds()
    stalled = False

    def due() -> None:
        nonlocal stalled
        stalled = loop.time() - when > _STALLED
        limit.reschedule(loop.time() + (_MOMENT if stalled else 0.0))

    timer = loop.call_at(when, due)
    try:
        async with asyncio.timeout(None) as limit:
            yield
    except TimeoutError as error:
        if stalled:
            raise _StalledError from error
        raise
    finally:
        timer.cancel()


async def _read(response: ClientResponse) -> bytes:
    """Read an answer's body up to the cap; beyond it the connection is of no more use."""
    content = b""
    while len(content) < READ_AT_MOST:
        piece = await response.content.read(READ_AT_MOST - len(content))
        if not piece:
            return content
        content += piece
    response.close()
    return content


#: The first that fits decides: what the connection failed with, or the failure itself.
_CLASSES: Final = (
    (_StalledError, "stalled"),
    (TimeoutError, "timeout"),
    (ForbiddenAddressError, "refused_address"),
    (aiohttp.InvalidURL, "refused_address"),
    (socket.gaierror, "dns"),
    (ssl.SSLError, "tls"),
    (aiohttp.ClientConnectorDNSError, "dns"),
    (aiohttp.ClientConnectorError, "connect"),
)


def _class_of(failure: Exception) -> str:
    cause = getattr(failure, "os_error", failure)
    if isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_AGAIN:
        return "dns_temporary"
    return next(
        (name for kind, name in _CLASSES if isinstance(cause, kind) or isinstance(failure, kind)),
        "protocol",
    )


def _sentence(failure: Exception) -> str:
    cause = getattr(failure, "os_error", failure)
    if isinstance(cause, _StalledError):
        return "This process was stopped during the exchange"
    if isinstance(cause, TimeoutError):
        return "The exchange was not over within its deadline"
    return of_error(cause, 500)

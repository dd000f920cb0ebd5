"""How does a worker connect to endpoints it must not trust?

The address is checked at the moment a socket for it is made, after every name was resolved: what
was checked is what is connected to, so a name that resolves to something else the next time (DNS
rebinding) gains nothing, and neither does an address written in the URL itself.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Final

from aiohttp import (
    AddrInfoType,
    ClientConnectorError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
    ThreadedResolver,
)
from aiohttp.connector import Connection
from aiohttp_retry import ExponentialRetry, RetryClient

from orderbus.domain.addresses import Network, forbidden
from orderbus.settings import Settings

Session = RetryClient

#: An idle connection is closed after so many seconds: one that the endpoint closed first would
#: cost it an attempt.
KEEP_ALIVE: Final = 4.0

#: The addresses the exchange of this context connected to; the last one is where it was sent.
connected_to: ContextVar[list[str]] = ContextVar("connected_to")


class ForbiddenAddressError(OSError):
    """The endpoint's address is one that webhooks must not reach."""


class Guard:
    """Makes sockets, and only for addresses that webhooks may be sent to."""

    def __init__(self, allowed: Sequence[Network]) -> None:
        """Let private networks in ``allowed`` through all the same."""
        self._allowed = allowed

    def __call__(self, info: AddrInfoType) -> socket.socket:
        """Make a socket for one resolved address; raises ``ForbiddenAddressError``."""
        family, kind, protocol, _, place = info
        address = str(place[0])
        if forbidden(address, self._allowed) is not None:
            # The same words for each address: several failures alike are reported as the first.
            message = "not a public address; ORDERBUS_WEBHOOK_ALLOWED_NETWORKS can allow it"
            raise ForbiddenAddressError(message)
        connected_to.get([]).append(address)
        return socket.socket(family=family, type=kind, proto=protocol)


class _Response(ClientResponse):
    """Notes where its connection leads, also one that was used before."""

    async def start(self, connection: Connection) -> ClientResponse:
        """Note the address: a connection whose answer is whole is given back at once."""
        peer = connection.transport and connection.transport.get_extra_info("peername")
        if peer:
            connected_to.get([]).append(str(peer[0]))
        return await super().start(connection)


@asynccontextmanager
async def open_session(settings: Settings) -> AsyncIterator[Session]:
    """Open the client of a worker: no proxy from the environment, no cookies, no redirects.

    A connection that was never made is tried once more at once, within the exchange's deadline;
    nothing else is ever repeated here, since attempts belong to the ledger.
    """
    once_more = ExponentialRetry(
        attempts=2,
        start_timeout=0.05,
        exceptions={ClientConnectorError},
        retry_all_server_errors=False,
    )
    connector = TCPConnector(
        resolver=ThreadedResolver(),
        use_dns_cache=False,
        limit=0,
        keepalive_timeout=KEEP_ALIVE,
        socket_factory=Guard(settings.webhook_allowed_networks),
    )
    async with ClientSession(
        connector=connector,
        cookie_jar=DummyCookieJar(),
        response_class=_Response,
        trust_env=False,
        timeout=ClientTimeout(total=None),
    ) as session:
        yield RetryClient(client_session=session, retry_options=once_more)

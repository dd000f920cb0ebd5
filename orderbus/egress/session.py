"""Connections of a worker to endpoints it must not trust."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import (
    ClientConnectorError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
)
from aiohttp.connector import Connection
from aiohttp_retry import ExponentialRetry, RetryClient

from orderbus.domain import retries
from orderbus.egress.address_filter import AddressFilter, connected_to
from orderbus.egress.resolver import Resolver
from orderbus.settings import Settings

Session = RetryClient

#: An idle connection is closed after so many seconds. One that the endpoint closes while a request
#: is on its way costs that attempt, so this stays below what servers wait (gunicorn 2 s; Node,
#: uvicorn and Apache 5 s); under load, where handshakes cost most, the gaps are far shorter.
KEEP_ALIVE: Final = 1.0

#: Seconds for which the addresses of a name are used again; each of them is checked every time.
NAMES_KEPT: Final = 10


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

    It trusts the authorities of this machine, or those that ``SSL_CERT_FILE`` names.
    """
    trust = ssl.create_default_context()
    trust.set_alpn_protocols(["http/1.1"])
    resolver = Resolver()
    connector = TCPConnector(
        resolver=resolver,
        # Exchanges with one host wait for one lookup together, so its name holds one thread.
        ttl_dns_cache=NAMES_KEPT,
        limit=0,
        keepalive_timeout=KEEP_ALIVE,
        socket_factory=AddressFilter(settings.webhook_allowed_networks),
        ssl=trust,
    )
    session = ClientSession(
        connector=connector,
        cookie_jar=DummyCookieJar(),
        response_class=_Response,
        timeout=ClientTimeout(total=None),
    )
    try:
        async with session:
            yield RetryClient(client_session=session, retry_options=connect_again())
    finally:
        await resolver.close()


def connect_again() -> ExponentialRetry:
    """Try again to connect, and nothing else: later attempts belong to the ledger."""
    return ExponentialRetry(
        attempts=retries.CONNECTION_ATTEMPTS,
        start_timeout=retries.CONNECTION.first.total_seconds() / 2,  # doubled before the first
        max_timeout=retries.CONNECTION.most.total_seconds(),
        exceptions={ClientConnectorError},
        retry_all_server_errors=False,
    )

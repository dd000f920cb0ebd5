"""A customer's endpoint that a test makes behave as it wants, and a worker's way to it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from orderbus.domain.webhooks import EndpointResponse
from orderbus.egress import exchange
from orderbus.egress.session import Session
from orderbus.settings import Settings, load
from tests.support.waiting import PATIENCE

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Behave = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """A real listener that counts what reaches it and then behaves as a test wants."""

    def __init__(self, behave: Behave) -> None:
        self.connections = 0
        self.still_open = 0
        self.requests: list[bytes] = []
        self.port = 0
        self._behave = behave
        self._serving: list[asyncio.Task[None] | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.still_open += 1
        self._serving.append(asyncio.current_task())
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.requests.append(head + await reader.readexactly(2))
                await self._behave(reader, writer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the other side went away, or the test is over
        finally:
            self.still_open -= 1
            writer.transport.abort()

    async def end(self) -> None:
        """End every connection that is still open."""
        for task in self._serving:
            if task is not None and not task.done():
                task.cancel()
                await asyncio.wait([task])


@asynccontextmanager
async def listening(behave: Behave, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server(behave)
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls) as running:
        server.port = running.sockets[0].getsockname()[1]
        try:
            yield server
        finally:
            await server.end()


async def hang(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


def answering(answer: bytes) -> Behave:
    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    return behave


def settings_that_allow(*networks: str) -> Settings:
    return load(_env_file=None, secret_key="k", webhook_allowed_networks=",".join(networks))


async def post(session: Session, url: str, deadline: float = PATIENCE) -> EndpointResponse:
    return await exchange.post(
        session, url, body=b"{}", headers={"webhook-id": "1"}, deadline=timedelta(seconds=deadline)
    )

"""Sends requests: as fast as so many connections can, or at a given rate whatever comes back."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bench.parts import ORDER

CONNECTIONS = 32
_BODY = json.dumps(ORDER)


@dataclass
class Sent:
    """What became of the orders: milliseconds each took, and how many got no 201."""

    seconds: float = 0.0
    waits: list[float] = field(default_factory=list)
    refused: int = 0

    @property
    def rate(self) -> float:
        """Orders accepted in a second."""
        return len(self.waits) / self.seconds


def order(reference: str) -> bytes:
    """Write the request that places the sample order under a reference of its own."""
    return post("/webhooks/orders/create/", _BODY.replace("SO-10045", reference))


def post(path: str, body: str) -> bytes:
    """Write a request that posts JSON."""
    content = body.encode()
    return (
        b"POST %b HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
        % (path.encode(), len(content), content)
    )


def get(path: str) -> bytes:
    """Write a request that reads."""
    return b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % path.encode()


async def as_fast_as_they_go(
    port: int,
    seconds: float,
    *,
    count: float = float("inf"),
    request: Callable[[str], bytes] = order,
    connections: int = CONNECTIONS,
    status: int = 201,
) -> Sent:
    """Send one request after the other on each connection, until so long or so many.

    ``request`` writes it for a reference that no other has; what is answered with another
    ``status`` is refused.
    """
    sent = Sent()
    began = time.perf_counter()
    mark = f"{time.time_ns():x}"

    async def client(name: str) -> None:
        connection = await _open(port)
        number = 0
        while (start := time.perf_counter()) < began + seconds and len(sent.waits) < count:
            number += 1
            if await _send(connection, request(f"{mark}-{name}-{number}")) == status:
                sent.waits.append((time.perf_counter() - start) * 1000)
            else:
                sent.refused += 1
        connection[1].close()

    await asyncio.gather(*(client(str(n)) for n in range(connections)))
    sent.seconds = time.perf_counter() - began
    return sent


async def at_rate(port: int, rate: float, seconds: float) -> Sent:
    """Send an order every 1/``rate`` seconds, answered or not; waits begin when one was due."""
    sent = Sent()
    mark = f"{time.time_ns():x}"
    async with _connections() as free:

        async def one(number: int, due: float) -> None:
            try:
                connection = await _taken(free, port)
                accepted = await _send(connection, order(f"{mark}-{number}")) == 201  # noqa: PLR2004 - created
            except (OSError, asyncio.IncompleteReadError):
                sent.refused += 1
                return
            free.append(connection)
            if accepted:
                sent.waits.append((time.perf_counter() - due) * 1000)
            else:
                sent.refused += 1

        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(round(rate * seconds)):
                due = began + number / rate
                if (early := due - time.perf_counter()) > 0:
                    await asyncio.sleep(early)
                group.create_task(one(number, due))
        sent.seconds = time.perf_counter() - began
    return sent


_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _open(port: int) -> _Connection:
    return await asyncio.open_connection("127.0.0.1", port)


async def _taken(free: list[_Connection], port: int) -> _Connection:
    """Take a connection that the server did not close meanwhile, or open one."""
    while free:
        connection = free.pop()
        if not connection[0].at_eof():
            return connection
        connection[1].close()
    return await _open(port)


@asynccontextmanager
async def _connections() -> AsyncIterator[list[_Connection]]:
    free: list[_Connection] = []
    try:
        yield free
    finally:
        for _, writer in free:
            writer.close()


async def _send(connection: _Connection, request: bytes) -> int:
    """Send a request; returns the status it is answered with."""
    reader, writer = connection
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    _, found, rest = head.partition(b"content-length:")
    if not found:
        raise RuntimeError(f"an answer without a length: {head!r}")
    await reader.readexactly(int(rest.partition(b"\r\n")[0]))
    return int(head.split(b" ", 2)[1])

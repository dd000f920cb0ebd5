"""What hostile senders do costs the web server little time and memory, and others nothing."""

from __future__ import annotations

import asyncio
import subprocess
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from tests.support import order_rows, samples
from tests.support.system import System
from tests.support.waiting import PATIENCE, until_here

pytestmark = pytest.mark.once

MEBIBYTE = 1 << 20

START = (
    b"POST /webhooks/orders/create/ HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: application/json\r\n"
)
CHUNKED = START + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
BOMB = zlib.compress(b" " * 10 * MEBIBYTE)


async def sent(system: System, data: bytes, *, patience: float = PATIENCE) -> bytes:
    """Send bytes and read until the server closes; raises ``TimeoutError`` where it does not."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", int(system.env["ORDERBUS_WEB_PORT"])
    )
    try:
        async with asyncio.timeout(patience):
            with suppress(ConnectionError):
                writer.write(data)
                await writer.drain()
                return await reader.read()
            return b""
    finally:
        writer.close()


def resident(pid: int) -> int:
    """Tell how many bytes of memory a process holds."""
    listed = subprocess.run(
        ["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True
    )
    return int(listed.stdout) * 1024


@asynccontextmanager
async def cheaply(system: System, process: asyncio.subprocess.Process) -> AsyncIterator[None]:
    """See that an honest sender is served all the while, and that memory hardly grows."""
    before, served = resident(process.pid), 0

    async def send_honestly() -> None:
        nonlocal served
        while True:
            await system.post()
            served += 1
            await asyncio.sleep(0.05)

    honest = asyncio.create_task(send_honestly())
    yield
    meanwhile = served
    await until_here(lambda: served > meanwhile, "an honest sender is still served")
    honest.cancel()

    assert resident(process.pid) - before < 64 * MEBIBYTE


@pytest.mark.parametrize(
    "half", [START, START + b"Content-Length: 500\r\n\r\n{"], ids=["head", "body"]
)
async def test_three_hundred_senders_that_stop_in_the_middle_are_given_up(
    system: System, half: bytes
) -> None:
    web = await system.start("web")
    async with cheaply(system, web):
        answers = await asyncio.gather(*(sent(system, half) for _ in range(300)))

    assert {answer[9:12] for answer in answers} <= {b"", b"408"}


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (START + b"".join(b"X-%d: x\r\n" % n for n in range(100_000)) + b"\r\n", b"400"),
        (START + b"X: " + b"x" * 5 * MEBIBYTE + b"\r\n\r\n", b"400"),
        (b"POST /" + b"a" * 5 * MEBIBYTE + b" HTTP/1.1\r\n\r\n", b"400"),
        (START + b"Content-Length: 1000000000000\r\n\r\n{", b"413"),
        (START + b"Content-Length: -1\r\n\r\n{}", b"400"),
        (START + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
        (CHUNKED + b"ffffffffffffffff\r\n{", b"4"),
        (CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n", b"400"),
        (CHUNKED + b"-5\r\n{}\r\n0\r\n\r\n", b"400"),
        (CHUNKED + b"1;" + b"x" * MEBIBYTE + b"\r\n{\r\n0\r\n\r\n", b"400"),
        (
            START + b"Content-Encoding: deflate\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n" % len(BOMB) + BOMB,
            b"415",
        ),
    ],
    ids=[
        "100,000 headers",
        "a header of 5 MiB",
        "a path of 5 MiB",
        "a length of a terabyte",
        "a negative length",
        "two lengths",
        "a chunk without end",
        "a chunk size that is none",
        "a negative chunk size",
        "a chunk extension of 1 MiB",
        "a deflate bomb",
    ],
)
async def test_a_request_that_lies_is_refused_soon(
    system: System, data: bytes, status: bytes
) -> None:
    web = await system.start("web")
    async with cheaply(system, web):
        answers = await asyncio.gather(*(sent(system, data) for _ in range(5)))

    assert {answer[9 : 9 + len(status)] for answer in answers} <= {status, b""}
    assert await order_rows.count(system.database) > 0
    good = samples.order_body()
    async with system.http.post(f"{system.api}/webhooks/orders/create/", json=good) as answer:
        assert answer.status == 201

"""What one exchange with an endpoint comes to, whatever the other side does."""

from __future__ import annotations

import asyncio
import gzip
import socket
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from orderbus.domain.webhooks import Answer
from orderbus.egress import exchange
from orderbus.egress.session import Session, open_session
from orderbus.settings import Settings, load

MEBIBYTE = 1 << 20
DEADLINE = 1.0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Behave = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """A real listener that counts what reaches it and then behaves as a test wants."""

    def __init__(self, behave: Behave) -> None:
        self.connections = 0
        self.requests: list[bytes] = []
        self.port = 0
        self._behave = behave
        self._serving: list[asyncio.Task[None] | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
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
            writer.transport.abort()

    async def end(self) -> None:
        """End every connection that is still open."""
        for task in self._serving:
            if task is not None and not task.done():
                task.cancel()
                await asyncio.wait([task])


@asynccontextmanager
async def listening(behave: Behave) -> AsyncIterator[Server]:
    server = Server(behave)
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as running:
        server.port = running.sockets[0].getsockname()[1]
        try:
            yield server
        finally:
            await server.end()


def answering(answer: bytes) -> Behave:
    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    return behave


async def hang(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for byte in b"HTTP/1.1 200 OK\r\n" + b"X-Slow: 1\r\n" * 100:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.05)


async def drip_the_body(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _number in range(1000):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


async def say_the_body_for_ever(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    while True:
        writer.write(b"x" * 65_536)
        await writer.drain()


def settings_that_allow(*networks: str) -> Settings:
    return load(_env_file=None, open_on_loopback=True, webhook_allowed_networks=",".join(networks))


@pytest.fixture
async def session() -> AsyncIterator[Session]:
    """A worker's client that may reach this machine."""
    async with open_session(settings_that_allow("127.0.0.0/8", "::1/128")) as session:
        yield session


@pytest.fixture
async def strict() -> AsyncIterator[Session]:
    """A worker's client as it is without any settings."""
    async with open_session(settings_that_allow()) as session:
        yield session


async def post(session: Session, url: str, deadline: float = DEADLINE) -> Answer:
    return await exchange.post(
        session, url, body=b"{}", headers={"webhook-id": "1"}, deadline=timedelta(seconds=deadline)
    )


async def test_a_whole_answer_is_told_as_it_came(session: Session) -> None:
    answer = b"HTTP/1.1 503 Away\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nlong"

    async with listening(answering(answer)) as server:
        came = await post(session, server.url)

    assert (came.status, came.retry_after, came.head) == (503, "7", b"long")
    assert (came.error, came.detail, came.address) == (None, "", "127.0.0.1")


async def test_the_address_is_known_on_a_connection_that_is_used_again(session: Session) -> None:
    async with listening(answering(OK)) as server:
        addresses = [(await post(session, server.url)).address for _ in range(2)]

    assert addresses == ["127.0.0.1"] * 2
    assert server.connections == 1


@pytest.mark.parametrize("behave", [hang, drip, drip_the_body])
async def test_an_endpoint_that_takes_too_long_ends_with_the_deadline(
    session: Session, behave: Behave
) -> None:
    async with listening(behave) as server:
        began = time.monotonic()
        answer = await post(session, server.url)
        took = time.monotonic() - began

    assert answer.error == "timeout"
    assert took < DEADLINE + 1
    assert timedelta(seconds=DEADLINE) <= answer.duration < timedelta(seconds=DEADLINE + 1)


async def test_an_endpoint_that_never_accepts_ends_with_the_deadline(session: Session) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1) as full:
        port = full.getsockname()[1]
        waiting = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        began = time.monotonic()
        answer = await post(session, f"http://127.0.0.1:{port}/")
        took = time.monotonic() - began
        for _, writer in waiting:
            writer.close()

    assert answer.error == "timeout"
    assert took < DEADLINE + 1


async def test_an_endless_body_is_judged_by_its_status_and_read_no_further(
    session: Session,
) -> None:
    tracemalloc.start()

    async with listening(say_the_body_for_ever) as server:
        answer = await post(session, server.url, deadline=10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert (answer.status, answer.error) == (200, None)
    assert answer.head == b"x" * 2048
    assert answer.duration < timedelta(seconds=5)
    assert peak < 8 * MEBIBYTE


async def test_a_decompression_bomb_does_not_fill_the_memory(session: Session) -> None:
    bomb = gzip.compress(bytes(64 * MEBIBYTE))
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n"
    tracemalloc.start()

    async with listening(answering(head.encode() + bomb)) as server:
        answer = await post(session, server.url, deadline=10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert 64 * MEBIBYTE / len(bomb) > 1000
    assert (answer.status, answer.error) == (200, None)
    assert len(answer.head) <= 2048
    assert peak < 8 * MEBIBYTE


async def test_a_redirect_is_told_and_not_followed(session: Session) -> None:
    async with listening(answering(OK)) as target:
        redirect = f"HTTP/1.1 302 Found\r\nLocation: {target.url}\r\nContent-Length: 0\r\n\r\n"
        async with listening(answering(redirect.encode())) as server:
            answer = await post(session, server.url)

    assert (answer.status, answer.error) == (302, None)
    assert (len(server.requests), target.connections) == (1, 0)


NOT_HTTP = {
    "another protocol": b"220 mail.example ESMTP\r\n\r\n",
    "a status that is none": b"HTTP/1.1 abc OK\r\n\r\n",
    "noise": bytes(range(128, 256)) + b"\r\n\r\n",
    "a header of 64 KiB": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 65_536 + b"\r\n\r\n",
    "bad chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "gzip that is none": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnone"
    ),
}


@pytest.mark.parametrize("sent", NOT_HTTP.values(), ids=NOT_HTTP)
async def test_an_answer_that_is_not_http_is_a_protocol_error(
    session: Session, sent: bytes
) -> None:
    async with listening(answering(sent)) as server:
        answer = await post(session, server.url)

    assert answer.error == "protocol"
    assert answer.detail


@pytest.mark.parametrize("sent", [b"", OK[:20], OK[:-1]], ids=["nothing", "half", "a byte less"])
async def test_a_connection_closed_too_early_is_a_protocol_error_and_nothing_is_repeated(
    session: Session, sent: bytes
) -> None:
    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await writer.drain()
        writer.close()

    async with listening(behave) as server:
        answer = await post(session, server.url)

    assert answer.error == "protocol"
    assert len(server.requests) == 1


async def test_a_refused_connection_is_tried_exactly_once_more(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    loop = asyncio.get_running_loop()
    tries: list[Any] = []
    connect = loop.sock_connect

    async def counted(sock: socket.socket, address: Any) -> None:
        tries.append(address)
        await connect(sock, address)

    monkeypatch.setattr(loop, "sock_connect", counted)

    answer = await post(session, f"http://127.0.0.1:{port}/")

    assert answer.error == "connect"
    assert len(tries) == 2


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 408])
async def test_no_answer_makes_the_client_ask_again(session: Session, status: int) -> None:
    sent = f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode()

    async with listening(answering(sent)) as server:
        answer = await post(session, server.url)
        await asyncio.sleep(0.2)

    assert (answer.status, answer.error) == (status, None)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"],  # noqa: S104
)
async def test_not_one_byte_reaches_an_address_that_is_forbidden(
    strict: Session, host: str
) -> None:
    async with listening(answering(OK)) as server:
        answer = await post(strict, f"http://{host}:{server.port}/")

    assert answer.error == "refused_address"
    assert answer.address is None
    assert server.connections == 0


@pytest.mark.parametrize("host", ["2130706433", "127.1", "0x7f000001", "017700000001"])
async def test_an_address_in_disguise_leads_nowhere(strict: Session, host: str) -> None:
    async with listening(answering(OK)) as server:
        answer = await post(strict, f"http://{host}:{server.port}/")

    assert answer.error is not None
    assert (answer.status, server.connections) == (None, 0)


async def test_a_name_that_leads_nowhere_is_a_dns_error(session: Session) -> None:
    answer = await post(session, "http://name.invalid/", deadline=10)

    assert answer.error in {"dns", "dns_temporary"}


async def test_plain_http_where_tls_was_expected_is_a_tls_error(session: Session) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        answer = await post(session, f"https://127.0.0.1:{port}/")

    assert answer.error == "tls"


async def test_a_proxy_in_the_environment_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(answering(OK)) as proxy, listening(answering(OK)) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        async with open_session(settings_that_allow("127.0.0.0/8")) as session:
            answer = await post(session, server.url)

    assert answer.status == 200
    assert (proxy.connections, len(server.requests)) == (0, 1)


async def test_cookies_are_not_kept(session: Session) -> None:
    sent = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n"

    async with listening(answering(sent)) as server:
        for _ in range(2):
            await post(session, server.url.replace("127.0.0.1", "localhost"))

    assert len(server.requests) == 2
    assert all(b"cookie" not in request.lower() for request in server.requests)


async def test_a_stop_in_the_middle_is_not_taken_for_an_answer(session: Session) -> None:
    async with listening(hang) as server:
        posting = asyncio.create_task(post(session, server.url, deadline=30))
        async with asyncio.timeout(5):
            while not server.requests:
                await asyncio.sleep(0.01)
        posting.cancel()

        with pytest.raises(asyncio.CancelledError):
            await posting


async def test_what_is_posted_is_what_was_given(session: Session) -> None:
    async with listening(answering(OK)) as server:
        await post(session, server.url)

    (request,) = server.requests
    assert request.startswith(b"POST /hooks HTTP/1.1\r\n")
    assert b"webhook-id: 1\r\n" in request
    assert request.endswith(b"\r\n\r\n{}")

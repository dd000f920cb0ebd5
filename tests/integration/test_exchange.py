"""One exchange with an endpoint that must not be trusted."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from orderbus.domain.webhooks import Answer
from orderbus.egress import exchange
from orderbus.egress.session import Session, open_session
from orderbus.local.processes import free_port
from orderbus.settings import Settings, load

DEADLINE = timedelta(seconds=0.8)


def settings(allowed: str = "127.0.0.0/8,::1/128") -> Settings:
    return load(_env_file=None, debug=True, webhook_allowed_networks=allowed)


@pytest.fixture
async def session() -> AsyncIterator[Session]:
    async with open_session(settings()) as session:
        yield session


class Endpoint:
    """A real server that behaves as its paths say, and remembers what it was asked."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.base = ""

    def url(self, path: str) -> str:
        return f"{self.base}{path}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request.path)
        match request.path:
            case "/hangs":
                await asyncio.sleep(30)
            case "/drips":
                await self._endless(request, b"x", pause=0.05)
            case "/endless":
                await self._endless(request, b"x" * 65_536, pause=0)
            case "/bomb":
                packed = gzip.compress(b"\0" * 50_000_000)
                return web.Response(body=packed, headers={"Content-Encoding": "gzip"})
            case "/moved":
                return web.Response(status=302, headers={"Location": "/elsewhere"})
            case "/fails":
                return web.Response(status=500, headers={"Set-Cookie": "a=b", "Retry-After": "7"})
        return web.Response(text=request.headers.get("Cookie", "none"))

    async def _endless(self, request: web.Request, piece: bytes, *, pause: float) -> None:
        endless = web.StreamResponse()
        await endless.prepare(request)
        while True:
            await endless.write(piece)
            await asyncio.sleep(pause)


@pytest.fixture
async def server() -> AsyncIterator[Endpoint]:
    endpoint = Endpoint()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", endpoint.handle)
    async with TestServer(app) as listening:
        endpoint.base = str(listening.make_url("")).rstrip("/")
        yield endpoint


async def post(session: Session, url: Any) -> Answer:
    return await exchange.post(session, str(url), body=b"{}", headers={}, deadline=DEADLINE)


@pytest.mark.parametrize("path", ["/hangs", "/drips"])
async def test_the_whole_exchange_ends_at_its_deadline(
    session: Session, server: Endpoint, path: str
) -> None:
    answer = await post(session, server.url(path))

    assert answer.error == "timeout"
    assert answer.duration < DEADLINE + timedelta(seconds=1)


@pytest.mark.parametrize("path", ["/endless", "/bomb"])
async def test_a_body_is_read_up_to_a_cap_and_the_status_counts(
    session: Session, server: Endpoint, path: str
) -> None:
    answer = await post(session, server.url(path))

    assert (answer.status, answer.error) == (200, None)
    assert len(answer.head) <= exchange.KEEP_AT_MOST


async def test_a_redirect_is_answered_and_not_followed(session: Session, server: Endpoint) -> None:
    answer = await post(session, server.url("/moved"))

    assert answer.status == 302
    assert server.seen == ["/moved"]


async def test_an_error_is_not_repeated_and_leaves_no_cookie(
    session: Session, server: Endpoint
) -> None:
    failed = await post(session, server.url("/fails"))
    after = await post(session, server.url("/fine"))

    assert (failed.status, failed.retry_after) == (500, "7")
    assert after.head == b"none"
    assert server.seen == ["/fails", "/fine"]


async def test_the_address_that_was_connected_to_is_told(
    session: Session, server: Endpoint
) -> None:
    answers = [await post(session, server.url("/")) for _ in range(2)]

    assert [answer.address for answer in answers] == ["127.0.0.1"] * 2


async def test_what_speaks_no_http_is_told_so(session: Session) -> None:
    async def shell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"SSH-2.0-OpenSSH_9\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(shell, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        answer = await post(session, f"http://127.0.0.1:{port}/")

    assert answer.error == "protocol"


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://127.0.0.1:{port}/", "connect"),
        ("http://nowhere.invalid/", "dns"),
        ("http://2130706433/", "protocol"),
    ],
)
async def test_a_connection_that_was_never_made_is_told_so(
    session: Session, url: str, error: str
) -> None:
    answer = await post(session, url.format(port=free_port()))

    assert (answer.status, answer.error) == (None, error)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::1]"])
async def test_not_a_byte_reaches_an_address_that_is_not_public(host: str) -> None:
    reached: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append(await reader.read(1))
        writer.close()

    async with (
        await asyncio.start_server(listen, "127.0.0.1", 0) as listening,
        open_session(settings(allowed="")) as session,
    ):
        port = listening.sockets[0].getsockname()[1]
        answer = await post(session, f"http://{host}:{port}/")

    assert answer.error == "refused_address"
    assert reached == []


async def test_a_proxy_in_the_environment_is_ignored(
    server: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")

    async with open_session(settings()) as session:
        answer = await post(session, server.url("/"))

    assert answer.status == 200

"""The front door has no patience without end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import aiohttp
import pytest
import structlog

from orderbus import log_lines, storage
from orderbus.settings import Settings
from orderbus.storage.carts import Cart
from orderbus.storage.database import Connection
from orderbus.web.app_keys import IN_FLIGHT
from tests.support import api_client
from tests.support.waiting import until_here


async def test_a_slow_sender_is_told_so(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orderbus.web.requests.READ_TIMEOUT", 0.2)

    async def drip() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async with api_client.serving(settings) as door:
        try:
            answer = await door.post(api_client.PATH, data=drip(), headers=api_client.JSON)
            status = answer.status
        except aiohttp.ClientError:
            status = 408  # the connection was closed on the sender

    assert status == 408


#: How a sender begins that goes away in the middle.
HEAD = b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
HALVES = {
    "with its length": HEAD + b"Content-Length: 100\r\n\r\n{",
    "in chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
}


async def connected(client: api_client.Client, data: bytes) -> Any:
    """Send this and no more; gives both streams of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", client.server.port)
    writer.write(data)
    return reader, writer


@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES)
@pytest.mark.parametrize("path", [b"/webhooks/orders/create/", b"/carts"])
async def test_a_sender_that_goes_away_in_the_middle_is_no_failure_of_the_server(
    client: api_client.Client, path: bytes, half: bytes
) -> None:
    with structlog.testing.capture_logs() as logs:
        _, writer = await connected(client, half % path)
        await until_here(lambda: client.app[IN_FLIGHT].requests, "the request begins")
        writer.transport.abort()
        await until_here(lambda: logs, "the request ends")

    assert [(line["event"], line["status"]) for line in logs] == [("request", 400)]


async def test_a_reader_that_goes_away_in_the_middle_is_no_failure_of_the_server(
    client: api_client.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def endless(_: Connection, cart_pk: int, **__: Any) -> list[Cart]:
        return [Cart(cart_pk + 1, UUID(int=1), Decimal("1.00"), datetime.now(UTC), closed=False)]

    monkeypatch.setattr(storage.carts, "list_after", endless)
    with structlog.testing.capture_logs() as logs:
        reader, writer = await connected(client, b"GET /carts HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b"closed")
        writer.transport.abort()
        await until_here(lambda: logs and logs[-1]["event"] == "request", "the request ends")

    assert [line["event"] for line in logs] == ["list_cut", "request"]


async def test_a_list_with_a_row_that_cannot_be_shown_is_cut_and_does_not_look_like_a_whole_one(
    client: api_client.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def rows(_: Connection, cart_pk: int, **__: Any) -> list[Cart]:
        amount = "NaN" if cart_pk else "1.00"
        return [Cart(cart_pk + 1, UUID(int=1), Decimal(amount), datetime.now(UTC), closed=False)]

    monkeypatch.setattr(storage.carts, "list_after", rows)
    with structlog.testing.capture_logs() as logs:
        response = await client.get("/carts")
        with pytest.raises(aiohttp.ClientError):
            await response.read()

    assert [line["event"] for line in logs] == ["list_cut", "request"]


@pytest.mark.parametrize(
    "line", [b"GET /\xff HTTP/1.1", b"GET / HTTP/9.9", b"GET / HTTP/1.1\r\nX-API-Key: obk_\x01"]
)
async def test_what_is_no_http_is_told_without_its_bytes(
    client: api_client.Client, caplog: pytest.LogCaptureFixture, line: bytes
) -> None:
    caplog.set_level("INFO")
    logging.getLogger("aiohttp.server").addFilter(log_lines.without_bytes)

    reader, writer = await connected(client, line + b"\r\nHost: localhost\r\n\r\n")
    answer = await reader.read()
    writer.close()

    assert b" 400 " in answer.partition(b"\r\n")[0]
    assert [(one.levelname, one.exc_info, one.getMessage()) for one in caplog.records] == [
        ("INFO", None, "What came from 127.0.0.1 was no HTTP")
    ]

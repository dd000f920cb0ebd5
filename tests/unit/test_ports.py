"""A port that is kept is nobody else's while its server is down."""

from __future__ import annotations

import asyncio
import socket

import pytest

from orderbus.devtools.processes import free_port, is_free
from tests.support import ports
from tests.support.ports import kept_port


async def serve_once(port: int) -> None:
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b""
        writer.close()


async def test_servers_come_and_go_on_a_port_that_is_kept() -> None:
    port = kept_port()

    for _ in range(3):
        await serve_once(port)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)


def test_nobody_who_looks_for_a_free_port_gets_one_that_is_kept() -> None:
    port = kept_port()

    with socket.socket() as looking, pytest.raises(OSError, match="in use"):
        looking.bind(("127.0.0.1", port))
    assert is_free(port), "whoever serves there may have it back"


def test_of_two_that_find_the_same_port_free_one_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = free_port()
    both = iter([found, found, free_port()])
    monkeypatch.setattr(ports, "free_port", lambda: next(both))

    assert kept_port() == found
    assert kept_port() != found

"""No endpoint takes a worker's time or memory beyond its limits, however it answers."""

from __future__ import annotations

import asyncio
import gzip
import socket
import tracemalloc

import pytest

from orderbus.egress.session import Session
from tests.support import forced
from tests.support.raw_receiver import (
    Behave,
    answering,
    hang,
    listening,
    post,
)

MEBIBYTE = 1 << 20


#: Seconds for exchanges that cannot end: that they end at all is the deadline's doing.
SHORT = 0.3


async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


async def drip_the_body(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


def flooding(start: bytes, more: bytes) -> Behave:
    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while True:
            writer.write(more)
            await writer.drain()

    return behave


ENDLESS_BODY = flooding(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n", b"x" * 65_536)


@pytest.fixture
def starved(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy this machine is, no client takes itself for stopped."""
    forced.never_take_oneself_for_stopped(monkeypatch)


@pytest.mark.parametrize("behave", [hang, drip, drip_the_body])
async def test_an_endpoint_that_never_ends_is_ended_by_the_deadline(
    session: Session, behave: Behave, starved: None
) -> None:
    async with listening(behave) as server:
        answer = await post(session, server.url, deadline=SHORT)

    assert answer.error == "timeout"


@pytest.mark.parametrize("status", [200, 410, 503])
async def test_an_answer_that_begins_and_does_not_end_in_time_has_failed(
    session: Session, status: int, starved: None
) -> None:
    head = f"HTTP/1.1 {status} Soon\r\nRetry-After: 7\r\nContent-Length: 9\r\n\r\nhalf"

    async with listening(answering(head.encode())) as server:
        deadline = SHORT
        answer = await post(session, server.url, deadline=deadline)
        while answer.status is None:  # the deadline was there before the beginning of the answer
            deadline *= 4
            answer = await post(session, server.url, deadline=deadline)

    assert (answer.status, answer.error, answer.retry_after) == (status, "timeout", "7")


async def test_an_endpoint_that_never_accepts_ends_with_the_deadline(
    session: Session, starved: None
) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1) as full:
        port = full.getsockname()[1]
        waiting = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        answer = await post(session, f"http://127.0.0.1:{port}/", deadline=SHORT)
        for _, writer in waiting:
            writer.close()

    assert answer.error == "timeout"


async def test_an_endless_body_is_judged_by_its_status_and_read_no_further(
    session: Session,
) -> None:
    tracemalloc.start()

    async with listening(ENDLESS_BODY) as server:
        answer = await post(session, server.url)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert (answer.status, answer.error) == (200, None)
    assert answer.head == b"x" * 2048
    assert peak < 8 * MEBIBYTE


async def test_a_decompression_bomb_does_not_fill_the_memory(session: Session) -> None:
    bomb = gzip.compress(bytes(64 * MEBIBYTE))
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n"
    tracemalloc.start()

    async with listening(answering(head.encode() + bomb)) as server:
        answer = await post(session, server.url)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert 64 * MEBIBYTE / len(bomb) > 1000
    assert (answer.status, answer.error) == (200, None)
    assert len(answer.head) <= 2048
    assert peak < 8 * MEBIBYTE


BEGUN = b"HTTP/1.1 200 OK\r\n"


CHUNKED = BEGUN + b"Transfer-Encoding: chunked\r\n\r\n"


FLOODS = {
    "header lines": flooding(BEGUN, b"X: y\r\n" * 5000),
    "one header line": flooding(BEGUN + b"X: ", b"y" * 65_536),
    "one status line": flooding(b"HTTP/1.1 200 ", b"y" * 65_536),
    "interim answers": flooding(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "empty lines": flooding(b"", b"\r\n" * 10_000),
    "trailers": flooding(CHUNKED + b"0\r\n", b"X: y\r\n" * 5000),
    "one chunk's head": flooding(CHUNKED + b"1;", b"y" * 65_536),
}


@pytest.mark.parametrize("behave", FLOODS.values(), ids=FLOODS)
async def test_a_flood_that_is_no_answer_is_cut_off_and_not_by_the_deadline(
    session: Session, behave: Behave
) -> None:
    tracemalloc.start()

    async with listening(behave) as server:
        answer = await post(session, server.url)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert answer.error == "protocol"
    assert peak < 40 * MEBIBYTE


async def test_what_may_come_back_is_counted_for_each_request_anew(session: Session) -> None:
    size = 60_000
    sent = f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode() + bytes(size)

    async with listening(answering(sent)) as server:
        answers = [await post(session, server.url) for _ in range(20)]

    assert {answer.status for answer in answers} == {200}
    assert {answer.error for answer in answers} == {None}
    assert server.connections == 1

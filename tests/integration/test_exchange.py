"""What one exchange with an endpoint comes to, whatever the other side does."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import pytest

from orderbus.egress.session import KEEP_ALIVE, Session
from tests.support.ports import kept_port
from tests.support.raw_receiver import (
    OK,
    answering,
    hang,
    listening,
    post,
)
from tests.support.waiting import until_here


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


async def test_a_connection_that_breaks_when_it_is_used_again_repeats_nothing(
    session: Session,
) -> None:
    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(server.requests) > 1:
            writer.close()
        else:
            writer.write(OK)

    async with listening(behave) as server:
        first, second = [await post(session, server.url) for _ in range(2)]

    assert (first.error, second.error) == (None, "protocol")
    assert second.address == "127.0.0.1"
    assert (server.connections, len(server.requests)) == (1, 2)


async def test_a_connection_is_given_up_before_endpoints_do_it(session: Session) -> None:
    async with listening(answering(OK)) as server:
        await post(session, server.url)
        await until_here(lambda: not server.still_open, "the connection is given up")
        again = await post(session, server.url)

    assert KEEP_ALIVE < 2  # gunicorn's patience, the shortest of the usual ones
    assert (again.status, server.connections) == (200, 2)


async def test_a_refused_connection_is_tried_exactly_once_more(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    tries: list[Any] = []
    connect = loop.sock_connect

    async def counted(sock: socket.socket, address: Any) -> None:
        tries.append(address)
        await connect(sock, address)

    monkeypatch.setattr(loop, "sock_connect", counted)

    answer = await post(session, f"http://127.0.0.1:{kept_port()}/")

    assert answer.error == "connect"
    assert len(tries) == 2


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 408])
async def test_no_answer_makes_the_client_ask_again(session: Session, status: int) -> None:
    sent = f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode()

    async with listening(answering(sent)) as server:
        answer = await post(session, server.url)

    assert (answer.status, answer.error) == (status, None)
    assert len(server.requests) == 1


async def test_cookies_are_not_kept(session: Session) -> None:
    sent = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n"

    async with listening(answering(sent)) as server:
        for _ in range(2):
            await post(session, server.url.replace("127.0.0.1", "localhost"))

    assert len(server.requests) == 2
    assert all(b"cookie" not in request.lower() for request in server.requests)


async def test_a_stop_in_the_middle_is_not_taken_for_an_answer(session: Session) -> None:
    async with listening(hang) as server:
        posting = asyncio.create_task(post(session, server.url))
        await until_here(lambda: server.requests, "it is asked")
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


@pytest.mark.parametrize("target", ["/a%2Fb/../c?sig=a%2Fb%3D%2B%7e&x=%20", "//a?b=https://c/?d"])
async def test_the_url_is_asked_for_as_it_was_written(session: Session, target: str) -> None:
    async with listening(answering(OK)) as server:
        await post(session, f"http://127.0.0.1:{server.port}{target}")

    assert server.requests[0].startswith(f"POST {target} HTTP/1.1\r\n".encode())


@pytest.mark.parametrize(
    ("answers", "status", "error"), [(True, 204, None), (False, None, "stalled")]
)
async def test_a_process_that_was_stopped_meanwhile_still_finds_the_answer_that_is_there(
    session: Session,
    monkeypatch: pytest.MonkeyPatch,
    *,
    answers: bool,
    status: int | None,
    error: str | None,
) -> None:
    asked, stopped, served = threading.Event(), threading.Event(), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                asked.set()
                stopped.wait()
                if answers:
                    connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
                served.set()
                connection.recv(1)

        serving = asyncio.create_task(asyncio.to_thread(serve))
        posting = asyncio.create_task(
            post(session, f"http://127.0.0.1:{server.getsockname()[1]}/hooks")
        )
        await until_here(asked.is_set, "it is asked")
        stopped.set()
        served.wait()  # nothing else runs on this loop meanwhile, and then it is an hour later
        loop = asyncio.get_running_loop()
        now = loop.time
        monkeypatch.setattr(loop, "time", lambda: now() + 3600.0)
        came = await posting
        await session.close()
        await serving

    assert (came.status, came.error) == (status, error)

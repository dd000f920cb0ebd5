"""A customer's endpoint: a real HTTP server that answers as a test says."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer


@dataclass
class Received:
    """One request to the endpoint; the names of its headers are in lower case."""

    headers: dict[str, str]
    content: bytes
    #: What it was answered, and when by ``time.monotonic``; None and 0 before that.
    status: int | None = None
    answered_at: float = 0.0

    @property
    def body(self) -> Any:
        return json.loads(self.content)


class Receiver:
    """Keeps what it gets. Answers with ``answers`` in their order, then as ``answer`` says: 204."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[Received] = []
        self.answers: list[int | web.Response] = []
        self.answer: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
        #: Cleared while no request is to be answered.
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Receiver]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        async with TestServer(app) as server:
            self.url = str(server.make_url("/hooks"))
            try:
                yield self
            finally:
                self.may_answer.set()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        received = Received(headers, await request.read())
        self.requests.append(received)
        await self.may_answer.wait()
        response = await self._respond(request)
        received.status, received.answered_at = response.status, time.monotonic()
        return response

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        if self.answers:
            answer = self.answers.pop(0)
            return web.Response(status=answer) if isinstance(answer, int) else answer
        return await self.answer(request) if self.answer else web.Response(status=204)

    @property
    def accepted(self) -> list[Received]:
        return [request for request in self.requests if request.status == 204]

    def times(self) -> Counter[str]:
        """How often each event was accepted."""
        return Counter(request.headers["webhook-id"] for request in self.accepted)

    def sequences(self) -> dict[str, list[int]]:
        """The numbers of each order's events, as they were accepted, repetitions left out."""
        seen: dict[str, list[int]] = defaultdict(list)
        for request in self.accepted:
            number = int(request.headers["orderbus-sequence"])
            if number not in seen[request.body["order_id"]]:
                seen[request.body["order_id"]].append(number)
        return dict(seen)

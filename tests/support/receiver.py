"""A customer's endpoint: a real HTTP server with scripted answers."""

from __future__ import annotations

import asyncio

from aiohttp import web


class Receiver:
    """A customer's endpoint: a real HTTP server with scripted answers."""

    def __init__(self) -> None:
        self.answers: list[int | web.Response] = []
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.hold = asyncio.Event()
        self.hold.set()
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(
            ({k.lower(): v for k, v in request.headers.items()}, await request.read())
        )
        await self.hold.wait()
        answer = self.answers.pop(0) if self.answers else 204
        return web.Response(status=answer) if isinstance(answer, int) else answer

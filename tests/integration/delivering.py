"""What the tests of deliveries share: a customer who does as scripted, and a few steps."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from aiohttp import web

from orderbus import services
from orderbus.egress.session import Session
from orderbus.egress.turns import Turns
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.integration import steps

NO_TIME = timedelta(0)


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


async def deliver(
    database: Database, http: Session, settings: Settings, delivery: int
) -> list[int]:
    return await services.deliveries.deliver(database, http, settings, Turns(), delivery)


async def one_due(database: Database, url: str, **endpoint: Any) -> int:
    await steps.add_endpoint(database, url, **endpoint)
    await steps.place(database, "SO-10045")
    (due,) = await steps.come_back(database, *await steps.events(database))
    return due


async def state(database: Database, delivery: int) -> dict[str, Any]:
    async with database.connection() as connection:
        row = await connection.fetchrow(
            "SELECT *, due_at - now() AS due_in FROM ops.webhook_deliveries WHERE id = $1", delivery
        )
    assert row is not None
    return dict(row)

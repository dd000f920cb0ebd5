"""The front door as a real server, for tests that speak HTTP to it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import aiohttp
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, AppRunner, Request

from orderbus.settings import Settings
from orderbus.web.app import build_app
from orderbus.web.server import OPTIONS
from tests.support import samples
from tests.support.described import DESCRIBED, Described

Client = TestClient[Request, Application]

PATH = "/webhooks/orders/create/"
JSON = {"Content-Type": "application/json"}
PROBLEM = "application/problem+json"


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Client]:
    async with http_server(settings) as server, TestClient(server) as client:
        yield client


@asynccontextmanager
async def http_server(settings: Settings) -> AsyncIterator[TestServer]:
    """A server that speaks HTTP as the real one does, and answers as it describes itself."""
    app, described = build_app(settings), Described()
    app[DESCRIBED] = described
    app.on_response_prepare.append(described.look)
    server = OrderbusServer(app)
    async with server:
        yield server
    assert not described.wrong, "\n".join(described.wrong[:20])


class OrderbusServer(TestServer):
    async def _make_runner(self, **_: Any) -> AppRunner:
        return AppRunner(self.app, **OPTIONS)


def body(reference: str = "SO-10045", **changes: Any) -> bytes:
    return json.dumps(samples.order_body(reference, **changes)).encode()


async def post(
    client: Client, data: Any = None, path: str = PATH, **headers: str
) -> aiohttp.ClientResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.post(path, data=data or body(), headers={**JSON, **named})


async def placed(client: Client, **changes: Any) -> dict[str, Any]:
    """Place an order through the API, and read it as it is answered."""
    response = await client.post(
        "/api/v1/orders",
        json=samples.order_body(**changes),
        headers={"Idempotency-Key": str(uuid4())},
    )
    assert response.status == 201, await response.text()
    order: dict[str, Any] = await response.json()
    return order


async def problem(response: aiohttp.ClientResponse, status: int, code: str) -> dict[str, Any]:
    """Read a refusal, and check what every one of them has."""
    read: dict[str, Any] = await response.json(content_type=PROBLEM)
    assert (response.status, read["status"]) == (status, status)
    assert read["type"] == f"/problems/{code}"
    assert read["title"]
    assert read["detail"]
    return read

"""The front door as a real server, for tests that speak HTTP to it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from orderbus.settings import Settings
from orderbus.web.app import build_app
from tests import samples

Client = TestClient[Request, Application]

PATH = "/webhooks/orders/create/"
JSON = {"Content-Type": "application/json"}
PROBLEM = "application/problem+json"


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Client]:
    async with TestClient(TestServer(build_app(settings))) as client:
        yield client


def body(reference: str = "SO-10045", **changes: Any) -> bytes:
    return json.dumps(samples.order_body(reference, **changes)).encode()


async def post(
    client: Client, data: Any = None, path: str = PATH, **headers: str
) -> aiohttp.ClientResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.post(path, data=data or body(), headers={**JSON, **named})


async def problem(response: aiohttp.ClientResponse, status: int, code: str) -> dict[str, Any]:
    """Read a refusal, and check what every one of them has."""
    read: dict[str, Any] = await response.json(content_type=PROBLEM)
    assert (response.status, read["status"]) == (status, status)
    assert read["type"] == f"/problems/{code}"
    assert read["title"]
    assert read["detail"]
    return read

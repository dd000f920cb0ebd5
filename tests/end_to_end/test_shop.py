"""A client of the shop program works unchanged on what a newcomer starts with one command."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.dependencies import in_the_way, open_folder
from tests.support.system import ROOT
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.once

#: Names in the environment that would have it use parts which run already.
NAMED = ("DB_HOST", "RABBITMQ_URL", "PUBSUB_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS")


class OldClient:
    """Speaks to a shop as the clients of the shop program do."""

    def __init__(self, http: aiohttp.ClientSession, shop: str) -> None:
        self._http, self._shop, self._token = http, shop, ""

    async def sign_in(self, name: str, password: str) -> None:
        body = {"username": name, "password": password}
        pair = await self.ask("POST", "/api/identity/token/", body)
        self._token = (await self.ask("POST", "/api/identity/token/refresh/", pair))["access"]

    async def ask(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        url = path if path.startswith("http") else self._shop + path
        async with self._http.request(method, url, json=body, headers=headers) as response:
            text = await response.text()
            assert response.status == status, f"{method} {path}: {response.status} {text}"
            return json.loads(text) if text else None


@pytest.fixture
async def shop() -> AsyncIterator[str]:
    """The address of what ``orderbus up --seed`` started."""
    env = {name: value for name, value in os.environ.items() if name not in NAMED}
    with open_folder() as folder:
        up = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "orderbus", "up", "--json", "--seed", "--port", "0"),
            *("--data", str(Path(folder) / "up"), *in_the_way()),
            env={**env, "PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert up.stdout is not None
        async with asyncio.timeout(PATIENCE):
            urls = json.loads(await up.stdout.readline())
        yield urls["api"]
        up.send_signal(signal.SIGINT)
        await up.communicate()


async def test_a_client_of_the_shop_program_signs_in_looks_around_buys_and_sees_its_orders(
    shop: str,
) -> None:
    async with aiohttp.ClientSession() as http:
        customer, staff = OldClient(http, shop), OldClient(http, shop)
        links = await customer.ask("GET", "/api/")
        await customer.sign_in("opply_test", "test@1234")
        await staff.sign_in("opply", "123456")

        first = await customer.ask("GET", "/api/catalog/products/")
        second = await customer.ask("GET", first["next"])
        guitar = first["results"][0]
        line = {"product": guitar["public_id"], "quantity": 2, "price": guitar["price"]}
        order = {"total": 2 * float(guitar["price"]), "order_items": [line]}
        placed = await customer.ask("POST", "/api/orders/orders/", order, status=201)
        too_many = {**order, "order_items": [{**line, "quantity": guitar["quantity"]}]}
        refused = await customer.ask("POST", "/api/orders/orders/", too_many, status=400)
        mine = await customer.ask("GET", "/api/orders/orders/")
        left = await customer.ask("GET", guitar["url"])
        reserved = await staff.ask("POST", f"{guitar['url']}reserve/", {"quantity": 1})
        await staff.ask("POST", f"{guitar['url']}ship/", {"quantity": 1})
        everybody = await staff.ask("GET", "/api/identity/customers/")

    assert {"catalog", "identity"} <= set(links)
    assert (first["count"], len(first["results"]), len(second["results"])) == (20, 10, 10)
    assert second["previous"] is not None
    assert second["next"] is None
    assert (placed["status"], placed["order_items"][0]["quantity"]) == ("completed", 2)
    assert refused["error"]
    assert [order["id"] for order in mine["results"]] == [placed["id"]]
    assert left["quantity"] == guitar["quantity"] - 2
    assert reserved["available"] == left["quantity"] - 1
    assert everybody["count"] == 2

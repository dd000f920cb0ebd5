"""Whoever stands still while they move stock hold up that product for a while, and nothing else."""

from __future__ import annotations

import pytest

from orderbus.storage.database import Database
from tests.support import stock_rows
from tests.support.api_client import Client
from tests.support.frozen_process import frozen

pytestmark = pytest.mark.once

#: Moves stock and stops itself before it commits, as SIGSTOP from outside would at this point.
FROZEN = """
import asyncio, os, signal, sys
from orderbus import storage
from orderbus.settings import load
from orderbus.storage.database import open_database

async def main():
    async with open_database(load(_env_file=None)) as database:
        async with database.connection() as connection:
            async with connection.transaction():
                # What the session says of itself is tested elsewhere; here nobody waits for 10 s.
                limit = f"SET idle_in_transaction_session_timeout = '{sys.argv[1]}'"
                await connection.execute(limit)
                moved = storage.stock.Movement(int(sys.argv[2]), "set_aside", 1)
                await storage.stock.move(connection, [moved], actor="frozen")
                print("in its transaction", flush=True)
                os.kill(os.getpid(), signal.SIGSTOP)

asyncio.run(main())
"""


@pytest.fixture
async def products(database: Database) -> list[int]:
    return [await stock_rows.add(database, 5, sku=sku) for sku in ("tea", "mate")]


async def book(client: Client, sku: str) -> tuple[int, str | None, str]:
    items = [{"sku": sku, "delta": 1}]
    async with client.post("/api/catalog/inventory/batch/", json={"items": items}) as answer:
        return answer.status, answer.headers.get("Retry-After"), await answer.text()


async def test_who_wants_a_product_that_is_held_up_is_told_to_come_again_and_others_are_served(
    products: list[int], client: Client, database: Database, env: dict[str, str]
) -> None:
    async with frozen(env, FROZEN, "1min", str(products[0])):
        status, again_after, said = await book(client, "tea")
        other, _, _ = await book(client, "mate")
        async with client.get(f"/api/catalog/products/{products[0]}/") as shown:
            available = (await shown.json())["quantity"]

    assert (status, other, available) == (503, 200, 5)
    assert again_after is not None
    assert int(again_after) > 0
    assert "PostgreSQL" in said
    levels = [await stock_rows.level(database, product) for product in products]
    assert [(level.on_hand, level.reserved) for level in levels] == [(5, 0), (6, 0)]
    assert await stock_rows.differences(database) == []


async def test_a_product_goes_on_once_the_session_of_who_stands_still_is_ended(
    products: list[int], client: Client, database: Database, env: dict[str, str]
) -> None:
    async with frozen(env, FROZEN, "100ms", str(products[0])):
        status, _, _ = await book(client, "tea")

    assert status == 200
    assert (await stock_rows.level(database, products[0])).reserved == 0
    assert await stock_rows.differences(database) == []

"""Requests about products, stock and carts that are answered in every way there is."""

from __future__ import annotations

from orderbus import services
from orderbus.storage.database import Database
from tests.support import reservation_rows, stock_rows
from tests.support.api_client import Client


async def fill_carts(client: Client, database: Database) -> None:
    await stock_rows.add(database, 2, sku="tea")
    late = (await (await client.post("/carts", json={"total_amount": 0})).json())["cart_uuid"]
    await client.put(f"/carts/{late}/items/tea", json={"quantity": 2})
    await reservation_rows.let_time_pass(database)
    await services.carts.let_lapse(database)
    line = {"sku": "tea", "name": "Tea", "quantity": 2, "unit_price": 5}
    early = (await (await client.post("/carts", json={"items": [line]})).json())["cart_uuid"]
    await client.post("/carts", json={"items": [line]})
    await client.get(f"/carts/{early}")
    await client.put(f"/carts/{late}/checkout")
    await client.put(f"/carts/{late}/items/none", json={"quantity": 1})
    await client.put(f"/carts/{late}/items/tea", json={"quantity": 3})
    await client.put(f"/carts/{early}/checkout")
    await client.put(f"/carts/{early}/items/tea", json={"quantity": 1})

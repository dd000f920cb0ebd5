"""Calls that move and change orders, so that every answer they have is given."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID, uuid4

from orderbus import storage
from orderbus.domain.products import NewProduct
from orderbus.storage.database import Database
from tests.support import stock_rows
from tests.support.api_client import Client, placed
from tests.support.shop_samples import GUITAR, ORDERS, line, order


async def move_and_change(client: Client, root: str) -> None:
    """Move an order and change it, each once as it may be and in each way that is refused."""
    one = f"{root}/{(await placed(client))['id']}"
    stale = {"If-Match": '"99"'}
    for action in ("hold", "release", "ship", "deliver"):
        key = {"Idempotency-Key": f"{action} {one}"}
        await client.post(f"{one}/{action}", headers=stale)
        await client.post(f"{one}/{action}", headers=key)
        await client.post(f"{one}/{action}", headers=key, json={"reason": "another"})
        await client.post(f"{one}/{action}")
    key = {"Idempotency-Key": f"change {one}", "If-Match": "*"}
    await client.patch(one, json={"metadata": {"a": 1}})
    await client.patch(one, headers=stale, json={"metadata": {"a": 1}})
    await client.patch(one, headers=key, json={"metadata": {"a": 1}})
    await client.patch(one, headers=key, json={"metadata": {"a": 2}})
    await client.patch(one, headers={"If-Match": "*"}, json={"shipping_address": "elsewhere"})
    await client.patch(f"{root}/{uuid4()}", headers={"If-Match": "*"}, json={})


async def place_in_the_shop(client: Client, database: Database) -> None:
    """Have each path of the shop's orders give each of its answers."""
    guitar = await database.ask(
        storage.products.add,
        NewProduct(sku="GUITAR", name="Guitar", price=Decimal(100)),
        uuid=UUID(GUITAR),
    )
    await stock_rows.book(database, guitar.sku, 4)
    key = {"Idempotency-Key": "an order of the shop"}
    added = await client.post(ORDERS, json=order(), headers=key)
    await client.post(ORDERS, json=order(total=1), headers=key)
    await client.post(ORDERS, json=order())
    one = f"{ORDERS}{(await added.json())['id']}/"
    for path in ("/api/orders/", ORDERS, f"{ORDERS}?colour=red", one):
        await client.get(path)
    for ask, changed in ((client.put, order()), (client.patch, {"total": 1})):
        await ask(one, json=changed, headers={"If-Match": '"99"'})
        await ask(one, json=changed)
    await client.put(one, json=order(line(quantity=9)))
    await client.get(f"{one}history/")
    await client.delete(one, headers={"If-Match": '"99"'})
    for _ in range(2):
        await client.delete(one)
    for ask in (client.get, client.put, client.patch):
        await ask(one, json=order())

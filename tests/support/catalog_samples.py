"""A catalogue as the first shop had it: twenty guitars, of which the first are known."""

from __future__ import annotations

from typing import Any

from orderbus import services
from orderbus.storage.database import Database
from tests.support import stock_rows
from tests.support.api_client import Client

PRODUCT: dict[str, Any] = {
    "name": "Django Reinhardt",
    "description": "Gypsy jazz guitar",
    "price": "100.00",
}


async def add_guitars(database: Database, count: int = 20) -> None:
    """Add that guitar, and others that are electric, each a hundred dearer than the one before."""
    async with database.transaction() as connection:
        await services.products.add(connection, actor="command:ann", **PRODUCT)
        for number in range(2, count + 1):
            await services.products.add(
                connection,
                name=f"Guitar {number}",
                description="Electric guitar",
                price=100 * number,
                sku=f"guitar-{number}",
                actor="command:ann",
            )


async def ask_everything(client: Client, database: Database) -> None:
    """Have each path of the catalogue give each of its answers."""
    root, key = "/api/catalog/products", {"Idempotency-Key": "a product"}
    body = {"name": "Les Paul", "description": "Electric guitar", "price": "200"}
    added = await client.post(root, json=body, headers=key)
    await client.post(root, json={**body, "price": 1}, headers=key)
    one = f"{root}/{(await added.json())['id']}"
    for path in (
        "/api",
        "/api/catalog",
        "/api/catalog/categories",
        root,
        f"{root}?colour=red",
        one,
    ):
        await client.get(path)
    for slug, parent in (("basses", None), ("basses", None), ("basses-of-old", "nowhere")):
        category = {"slug": slug, "name": "Basses", "parent": parent}
        await client.post("/api/catalog/categories", json=category)
    await stock_rows.book_in(database, 5)
    for action in ("reserve", "ship"):
        for quantity in (1, 2):
            key = {"Idempotency-Key": action}
            await client.post(f"{one}/{action}", json={"quantity": quantity}, headers=key)
    for ask, changed in ((client.put, body), (client.patch, {"price": 1}), (client.delete, None)):
        await ask(one, json=changed, headers={"If-Match": '"99"'})
        await ask(one, json=changed)
    for ask, path in ((client.get, one), (client.put, one), (client.patch, one)):
        await ask(path, json=body)
    for action in ("reserve", "ship"):
        await client.post(f"{one}/{action}", json={"quantity": 1})
    await client.delete(one)
    await _book(client)


async def _book(client: Client) -> None:
    root, items = "/api/catalog/inventory", [{"sku": "none", "delta": 1}]
    for ask in (client.post, client.patch):
        key = {"Idempotency-Key": f"a booking by {ask.__name__}"}
        await ask(f"{root}/batch", json={"items": items})
        for policy in ("per_item", "all_or_nothing"):
            body = {"items": items, "policy": policy}
            await ask(f"{root}/batch", json=body, headers=key)
    await client.get(f"{root}/1/movements")
    await client.get(f"{root}/1/movements?cursor=x")

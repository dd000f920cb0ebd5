"""The tree of categories grows, and products are found in what is above theirs."""

from __future__ import annotations

from orderbus.storage.database import Database
from tests.support.api_client import Client
from tests.support.catalog_samples import add_guitars


async def test_a_category_is_added_below_another_and_products_are_put_into_it(
    client: Client, database: Database
) -> None:
    await add_guitars(database, 1)
    root, basses = "/api/catalog/categories/", {"slug": "basses", "name": "Basses"}
    added = await client.post(root, json=basses)
    below = {"slug": "old-basses", "name": "Old ones", "parent": "basses"}
    assert (added.status, (await client.post(root, json=below)).status) == (201, 201)
    again = await client.post(root, json=basses)
    nowhere = await client.post(root, json={**below, "slug": "new", "parent": "nowhere"})
    wrong = await client.post(root, json={**below, "slug": "No slug"})
    await client.patch("/api/catalog/products/1/", json={"categories": ["old-basses"]})

    assert await again.json() == {"slug": ["category with this slug already exists."]}
    assert await nowhere.json() == {"parent": ["There is no category nowhere."]}
    assert {each.status for each in (again, nowhere, wrong)} == {400}
    found = await (await client.get("/api/catalog/products/?category=basses")).json()
    assert [product["name"] for product in found["results"]] == ["Django Reinhardt"]

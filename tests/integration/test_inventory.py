"""Stock is booked many products at a time over HTTP, and what moved is listed."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from orderbus.storage.database import Database
from tests.support import stock_rows
from tests.support.api_client import Client

BATCH = "/api/catalog/inventory/batch/"


async def book(client: Client, *items: dict[str, Any], **more: Any) -> tuple[int, Any]:
    headers = more.pop("headers", {})
    response = await client.post(BATCH, json={"items": items, **more}, headers=headers)
    return response.status, await response.json()


async def test_a_batch_says_what_became_of_each_line(client: Client, database: Database) -> None:
    for sku in ("a", "b"):
        await stock_rows.add(database, 5, sku=sku)
    lines = (
        {"sku": "a", "set": 7, "expected": 5, "reason": "count"},
        {"sku": "b", "delta": -6, "reason": "lost"},
        {"product": str(uuid4()), "delta": 1},
    )

    none_status, none = await book(client, *lines)
    some_status, some = await book(client, *lines, policy="per_item")

    assert (none_status, none["applied"], none["failed"]) == (409, 0, 3)
    assert none["error"] == "Nothing was booked: a line was refused"
    assert (some_status, some["applied"], some["failed"]) == (200, 1, 2)
    said = [(line["ok"], line["after"], line.get("error")) for line in some["items"]]
    assert said == [(True, 7, None), (False, -1, "not_there"), (False, None, "unknown")]
    assert some["items"][1]["detail"] == "only 5 are on hand"
    assert await stock_rows.differences(database) == []


async def test_a_thousand_lines_are_booked_together_and_once_for_each_key(
    client: Client, database: Database
) -> None:
    skus = [f"sku-{number}" for number in range(1000)]
    await stock_rows.add_many(database, skus)
    lines = [{"sku": sku, "delta": 2} for sku in skus]
    key = {"Idempotency-Key": "a night's file"}

    first = await book(client, *lines, headers=key)
    again = await client.patch(BATCH, json={"items": lines})
    repeated = await book(client, *lines, headers=key)

    assert (first[0], first[1]["applied"]) == (200, 1000)
    assert repeated == first
    assert again.status == 200
    assert await stock_rows.on_hand(database) == 4 * 1000
    assert await stock_rows.differences(database) == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "items"),
        ({"items": []}, "items"),
        ({"items": [{}] * 1001}, "items"),
        ({"items": [{"sku": "a"}]}, "items/0"),
        ({"items": [{"sku": "a", "delta": -1}]}, "items/0"),
        ({"items": [{"sku": "a", "delta": 1.5}]}, "items/0/delta"),
        ({"items": [{"sku": "a", "delta": 10**12}]}, "items/0"),
        ({"items": [{"sku": "a", "delta": 10**30}]}, "items/0"),
        ({"items": [{"sku": "a\0", "delta": 1}]}, "items/0/sku"),
        ({"items": [{"sku": "a", "delta": 1, "where": 1}]}, "items/0/where"),
        ({"items": [{"sku": "a", "delta": 1}], "policy": "some"}, "policy"),
    ],
)
async def test_what_says_nothing_clear_is_refused_by_field(
    client: Client, body: dict[str, Any], field: str
) -> None:
    response = await client.post(BATCH, json=body)

    assert (response.status, list(await response.json())) == (400, [field])


async def test_counts_and_sales_at_once_lose_nothing(client: Client, database: Database) -> None:
    """Whoever counts says what was there when counting: what was sold meanwhile refuses it."""
    product = await stock_rows.add(database, 50, sku="a")

    async def count() -> int:
        level = await stock_rows.level(database, product)
        line = {"sku": "a", "set": level.on_hand + 1, "expected": level.on_hand, "reason": "x"}
        return (await book(client, line))[0]

    async def sell() -> int:
        path = f"/api/catalog/products/{product}/ship/"
        return (await client.post(path, json={"quantity": 1})).status

    statuses = await asyncio.gather(*(act() for act in (count, sell) * 20))

    level = await stock_rows.level(database, product)
    counted = sum(status == 200 for status in statuses[::2])
    assert (level.on_hand, level.shipped) == (50 + counted - 20, 20)
    assert set(statuses[::2]) <= {200, 409, 503}  # 503: it waited too long for its turn
    assert await stock_rows.differences(database) == []


async def test_what_moved_is_listed_from_the_newest_on(client: Client, database: Database) -> None:
    product = await stock_rows.add(database, 5, sku="a")
    for count in (7, 9):
        await book(client, {"sku": "a", "set": count, "reason": f"count of {count}"})
    path = f"/api/catalog/inventory/{product}/movements/"

    first = await (await client.get(f"{path}?limit=2")).json()
    last = await (await client.get(first["next"][first["next"].index("/api") :])).json()

    assert [each["reason"] for each in first["results"]] == ["count of 9", "count of 7"]
    assert [each["kind"] for each in last["results"]] == ["received"]
    assert last["next"] is None
    gone = await client.get("/api/catalog/inventory/4711/movements/")
    assert (gone.status, await gone.json()) == (404, {"detail": "Not found."})

"""Orders of products cost what the catalogue says and have their stock; others are as told."""

from __future__ import annotations

import asyncio
from collections import Counter
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from orderbus import storage
from orderbus.domain.products import Changes
from orderbus.storage.database import Database
from tests.integration.test_allocating import counters
from tests.support import conflict_rows, order_rows, samples, statements, stock_rows
from tests.support.api_client import Client, problem


def body(*skus: str, **members: Any) -> dict[str, Any]:
    """An order of one of each: products alone, without prices."""
    whole = samples.order_body(str(uuid4()))
    whole = {name: whole[name] for name in ("order_id", "customer", "shipping_address")}
    return {**whole, "items": [{"sku": sku, "quantity": 1} for sku in skus], **members}


async def ask(client: Client, asked: dict[str, Any]) -> Any:
    headers = {"Idempotency-Key": str(uuid4())}
    return await client.post("/api/v1/orders", json=asked, headers=headers)


@pytest.fixture
async def tea(database: Database) -> int:
    return await stock_rows.add(database, 2, sku="tea")


async def test_products_are_priced_by_the_catalogue_and_have_their_stock(
    client: Client, database: Database, tea: int
) -> None:
    items = [{"sku": "tea", "name": "My tea", "quantity": 2, "unit_price": "0.01"}]

    response = await ask(client, body(items=items, total=1, expected_total="10.00"))

    order = await response.json()
    assert (response.status, order["total"]) == (201, "10.00")
    assert [(item["name"], item["unit_price"]) for item in order["items"]] == [("My tea", "5.00")]
    assert await counters(database, tea) == (2, 0)
    assert await stock_rows.differences(database) == []


async def test_an_order_that_comes_to_something_else_than_expected_is_told_what_it_is_now(
    client: Client, database: Database, tea: int
) -> None:
    refused = await problem(await ask(client, body("tea", expected_total=4)), 409, "price-changed")

    assert refused["total"] == "5.00"
    assert refused["prices"] == [{"sku": "tea", "quantity": 1, "unit_price": "5.00"}]
    assert await order_rows.count(database) == 0
    assert await counters(database, tea) == (0, 2)


async def test_what_there_is_too_little_of_is_refused_with_every_short_line(
    client: Client, database: Database, tea: int
) -> None:
    await stock_rows.add(database, 0, sku="milk")

    refused = await problem(await ask(client, body("tea", "milk")), 409, "out-of-stock")

    assert refused["short"] == [{"sku": "milk", "wanted": 1, "available": 0}]
    assert await counters(database, tea) == (0, 2)


async def test_products_beside_what_the_catalogue_does_not_sell_are_a_422_that_names_it(
    client: Client, database: Database, tea: int
) -> None:
    gone = await stock_rows.add(database, 9, sku="gone")
    await database.ask(storage.products.deactivate, gone, seen=None)

    refused = await problem(await ask(client, body("tea", "gone", "x")), 422, "mixed-lines")

    assert [fault["pointer"] for fault in refused["faults"]] == ["/items/1/sku", "/items/2/sku"]
    assert await counters(database, tea) == (0, 2)


async def test_what_the_catalogue_does_not_know_needs_its_prices_and_a_total(
    client: Client, database: Database, tea: int
) -> None:
    refused = await problem(await ask(client, body("x")), 400, "invalid")
    told = await ask(client, samples.order_body(str(uuid4())))

    pointers = [fault["pointer"] for fault in refused["faults"]]
    assert pointers == ["/items/0/name", "/items/0/unit_price", "/total"]
    assert (told.status, (await told.json())["total"]) == (201, "350.00")
    assert await counters(database, tea) == (0, 2)


async def make_dearer(database: Database, product: int) -> None:
    await database.ask(storage.products.change, product, Changes(price=Decimal(6)), seen=None)


async def sell_no_more(database: Database, product: int) -> None:
    await database.ask(storage.products.deactivate, product, seen=None)


async def sell_half(database: Database, product: int) -> None:
    await sell_no_more(database, product)
    await stock_rows.add(database, 9, sku="milk")


@pytest.mark.parametrize("expected", [{}, {"expected_total": "10.00"}])
@pytest.mark.parametrize("happens", [make_dearer, sell_no_more, sell_half])
async def test_an_order_that_is_sent_again_is_known_whatever_the_catalogue_says_by_now(
    client: Client, database: Database, tea: int, happens: Any, expected: dict[str, str]
) -> None:
    asked = body(items=[{"sku": "tea", "quantity": 2}], **expected)
    first, again = [await ask(client, asked) for _ in range(2)]  # by then all of it is sold
    assert (first.status, again.status) == (201, 200)

    await happens(database, tea)

    known = await ask(client, asked)
    assert (known.status, await known.json()) == (200, await first.json())
    for other in (
        {"items": [{"sku": "tea", "quantity": 1}]},
        {"items": [{"sku": "tea", "quantity": 1}, {"sku": "milk", "quantity": 1}]},
        {"items": [{"sku": "tea", "quantity": 2, "name": "My tea"}]},
        {"shipping_address": "5 New St"},
        {"expected_total": "12.00"},
    ):
        await problem(await ask(client, {**asked, **other}), 409, "conflict")
    assert await counters(database, tea) == (2, 0)
    assert await order_rows.count(database) == 1


async def test_an_order_that_came_again_at_another_price_is_noted_as_no_conflict(
    client: Client, database: Database, tea: int
) -> None:
    asked = body("tea")
    assert (await ask(client, asked)).status == 201
    await make_dearer(database, tea)

    assert (await ask(client, asked)).status == 200
    assert await conflict_rows.count(database) == 0

    await problem(await ask(client, {**asked, "shipping_address": "5 New St"}), 409, "conflict")
    assert await conflict_rows.count(database) == 1


async def test_buyers_at_once_get_what_there_is_and_no_more(
    client: Client, database: Database, tea: int
) -> None:
    responses = await asyncio.gather(*(ask(client, body("tea")) for _ in range(8)))

    assert Counter(response.status for response in responses) == {201: 2, 409: 6}
    assert await counters(database, tea) == (2, 0)
    assert await stock_rows.differences(database) == []


async def test_an_order_of_what_is_not_known_costs_no_statement_more_than_before(
    client: Client, tea: int
) -> None:
    await ask(client, samples.order_body(str(uuid4())))

    with statements.recorded() as sent:
        await ask(client, samples.order_body(str(uuid4())))

    assert len([each for each in sent if "orders.orders" in each]) == 2  # stored, and shown
    assert not [each for each in sent if each.strip().startswith("SELECT sku")]

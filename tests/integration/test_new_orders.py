"""Orders by references alone, for the programs that expect FastAPI."""

from __future__ import annotations

from uuid import uuid4

import pytest

from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.support import scenario
from tests.support.api_client import Client

NEW = {
    "user_id": "user_123",
    "products": [{"product_id": "prod_1", "quantity": 2}, {"product_id": "prod_2", "quantity": 1}],
    "amount": "140",
}


@pytest.mark.parametrize("slash", ["", "/"])
async def test_an_order_by_references_alone_is_created_and_its_status_can_be_asked(
    client: Client, slash: str
) -> None:
    response = await client.post(f"/api/v1/orders/new{slash}", json=NEW)
    said = await response.json()

    assert response.status == 201
    assert set(said) == {"id", "status", "created_at"}
    assert said["status"] == "CREATED"
    asked = await client.get(f"/api/v1/orders/{said['id']}/status{slash}")
    assert (asked.status, await asked.json()) == (200, said)


async def test_what_it_refers_to_and_its_amount_are_kept_as_given(client: Client) -> None:
    said = await (await client.post("/api/v1/orders/new/", json=NEW)).json()

    order = await (await client.get(f"/orders/{said['id']}")).json()

    assert (order["customer"]["ref"], order["total"], order["source"]) == (
        "user_123",
        "140.00",
        "api",
    )
    assert [(i["sku"], i["quantity"], i["unit_price"]) for i in order["items"]] == [
        ("prod_1", 2, "0.00"),
        ("prod_2", 1, "0.00"),
    ]


async def test_an_amount_that_is_no_money_is_a_400(client: Client) -> None:
    for amount in ("much", "1.001", "-1", "NaN", "1e400", "100000000"):
        response = await client.post("/api/v1/orders/new/", json={**NEW, "amount": amount})

        assert response.status == 400
        assert "amount" in (await response.json())["detail"]


async def test_an_amount_is_read_as_the_first_program_read_it(client: Client) -> None:
    for amount, total in (("1e3", "1000.00"), (" 5.50 ", "5.50"), ("+.5", "0.50")):
        response = await client.post("/api/v1/orders/new/", json={**NEW, "amount": amount})
        said = await response.json()

        assert response.status == 201
        order = await (await client.get(f"/orders/{said['id']}")).json()
        assert order["total"] == total


async def test_the_status_of_an_unknown_order_is_a_404_and_of_none_a_422(client: Client) -> None:
    unknown = await client.get(f"/api/v1/orders/{uuid4()}/status")
    none = await client.get("/api/v1/orders/17/status")

    assert unknown.status == 404
    assert (await unknown.json(content_type=None))["detail"] == "Order not found"
    assert none.status == 422
    assert (await none.json())["detail"][0]["loc"] == ["path", "order_id"]


async def test_the_status_follows_the_processing(
    client: Client, database: Database, settings: Settings
) -> None:
    said = await (await client.post("/api/v1/orders/new/", json=NEW)).json()
    await scenario.go_on(database, settings)

    status = await (await client.get(f"/api/v1/orders/{said['id']}/status")).json()

    assert status == {**said, "status": "COMPLETED"}

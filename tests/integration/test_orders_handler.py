"""The order service's tests of its doors, under their names, against the real ones."""

from __future__ import annotations

from uuid import uuid4

from orderbus.storage.database import Database
from tests.support import event_rows, order_rows
from tests.support.api_client import Client

BODY = {
    "user_id": "user_123",
    "products": [{"product_id": "prod_001", "quantity": 2}],
    "amount": "100.50",
}


async def test_create_order_success(client: Client, database: Database) -> None:
    response = await client.post("/api/v1/orders/new/", json=BODY)
    said = await response.json()

    assert response.status == 201
    assert set(said) == {"id", "status", "created_at"}
    assert said["status"] == "CREATED"
    assert await order_rows.totals(database) == ["100.50"]
    assert await event_rows.count(database) == 1


async def test_create_order_creation_error(client: Client, database: Database) -> None:
    response = await client.post("/api/v1/orders/new/", json={**BODY, "amount": "a lot"})

    assert response.status == 400
    assert await response.json() == {
        "detail": "amount is 'a lot': must be 0 to 99999999.99, with at most two decimals"
    }
    assert await order_rows.count(database) == 0


async def test_get_order_status_success(client: Client) -> None:
    created = await (await client.post("/api/v1/orders/new/", json=BODY)).json()

    response = await client.get(f"/api/v1/orders/{created['id']}/status")

    assert (response.status, await response.json()) == (200, created)


async def test_get_order_status_not_found(client: Client) -> None:
    response = await client.get(f"/api/v1/orders/{uuid4()}/status")

    assert response.status == 404
    assert (await response.json(content_type=None))["detail"] == "Order not found"

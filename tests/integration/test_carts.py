"""A shop closes a cart, and one order follows: the answers are those its clients know."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from orderbus import services, storage
from orderbus.errors import Unavailable
from orderbus.settings import Settings
from orderbus.storage.database import Connection, Database
from tests.support import cart_rows, event_rows, letter_rows, order_rows, outbox_rows, scenario
from tests.support.api_client import Client, serving

ITEM = {"sku": "A", "name": "A thing", "quantity": 3, "unit_price": "1.10"}


async def opened(client: Client, **members: Any) -> str:
    response = await client.post("/carts", json=members or {"total_amount": 100.5})
    assert response.status == 201, await response.text()
    return str((await response.json())["cart_uuid"])


async def test_a_cart_is_created_as_old_clients_expect(client: Client) -> None:
    response = await client.post("/carts", json={"total_amount": "100.50"})
    said = await response.json()

    assert response.status == 201
    assert said == {"message": "Cart created successfully!", "cart_uuid": said["cart_uuid"]}
    assert str(UUID(said["cart_uuid"])) == said["cart_uuid"]


@pytest.mark.parametrize("path", ["/carts", "/carts/"])
async def test_the_list_of_carts_contains_it(client: Client, path: str) -> None:
    uuid = await opened(client)

    listed = await (await client.get(path)).json()

    (cart,) = listed["carts"]
    assert set(cart) == {"uuid", "total_amount", "created_at", "closed"}
    assert (cart["uuid"], cart["total_amount"], cart["closed"]) == (uuid, "100.50", False)


async def test_2500_carts_are_listed_in_the_order_they_were_opened(
    client: Client, database: Database
) -> None:
    await cart_rows.add_many(database, 2500)

    listed = await (await client.get("/carts")).json()

    amounts = [cart["total_amount"] for cart in listed["carts"]]
    assert amounts == [f"{n}.00" for n in range(1, 2501)]


async def test_a_list_that_is_cut_does_not_look_like_one_that_ended(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    await opened(client)
    list_after = storage.carts.list_after

    async def breaks(connection: Connection, number: int, *, at_most: int) -> Any:
        if number:
            message = "PostgreSQL went away"
            raise Unavailable(message)
        return await list_after(connection, number, at_most=at_most)

    monkeypatch.setattr(storage.carts, "list_after", breaks)
    response = await client.get("/carts")

    assert response.status == 200
    with pytest.raises(aiohttp.ClientPayloadError):
        await response.read()


async def test_an_invalid_total_is_a_400_that_names_the_field(client: Client) -> None:
    response = await client.post("/carts", json={"total_amount": "invalid"})
    said = await response.json(content_type=None)

    assert response.status == 400
    assert list(said["error"]) == ["total_amount"]


@pytest.mark.parametrize("uuid", ["invalid", "00000000-0000-4000-8000-000000000000", "1"])
async def test_an_unknown_cart_is_a_404(client: Client, uuid: str) -> None:
    response = await client.put(f"/carts/{uuid}/checkout")

    assert response.status == 404
    assert (await response.json(content_type=None))["error"] == "Cart not found"


async def test_a_cart_that_is_checked_out_is_closed_and_told_of(
    client: Client, database: Database
) -> None:
    uuid = await opened(client)

    response = await client.put(f"/carts/{uuid}/checkout")

    assert response.status == 200
    assert await response.json() == {"message": "Cart closed successfully!", "cart_uuid": uuid}
    (cart,) = (await (await client.get("/carts")).json())["carts"]
    assert cart["closed"] is True
    assert await outbox_rows.count_of(database, "cart.checked_out") == 1


async def test_many_checkouts_of_one_cart_at_once_make_one_event_and_are_answered_alike(
    client: Client, database: Database
) -> None:
    uuid = await opened(client)

    responses = await asyncio.gather(*(client.put(f"/carts/{uuid}/checkout") for _ in range(30)))

    assert {(r.status, await r.text()) for r in responses} == {(200, await responses[0].text())}
    assert await event_rows.count(database) == 1


async def test_a_closed_cart_becomes_one_order_that_is_counted_once_and_processed(
    client: Client, database: Database, settings: Settings
) -> None:
    uuid = await opened(client, items=[ITEM])
    await client.put(f"/carts/{uuid}/checkout")
    await scenario.go_on(database, settings)
    await client.put(f"/carts/{uuid}/checkout")
    await scenario.go_on(database, settings)

    orders = (await (await client.get("/orders")).json())["orders"]
    metrics = (await (await client.get("/metrics")).json())["metrics"]
    text = await (await client.get("/metrics/prometheus")).text()
    shown = await (await client.get(f"/orders/{uuid}")).json()

    assert [(o["cart_uuid"], o["price"]) for o in orders] == [(uuid, "3.30")]
    assert [m["count"] for m in metrics if m["description"] == "orders_created"] == [1]
    assert "\norders_created_total 1.0\n" in text
    assert (shown["source"], shown["status"]) == ("cart", "completed")
    assert shown["items"] == [{"line": 1, **ITEM, "shipped": 0}]
    history = (await (await client.get(f"/orders/{uuid}/history")).json())["history"]
    assert [(h["sequence"], h["type"]) for h in history] == [
        (1, "order.created"),
        (2, "order.processing_started"),
        (3, "order.completed"),
        (4, "order.processed"),
    ]


async def test_two_events_of_one_cart_make_one_order(
    database: Database, settings: Settings, client: Client
) -> None:
    """What the cart's event would do a second time, under another id: nothing."""
    uuid = await opened(client)
    await client.put(f"/carts/{uuid}/checkout")
    await event_rows.tell_again(database)

    await scenario.go_on(database, settings)

    assert await order_rows.count(database) == 1
    assert await letter_rows.count(database) == 0


async def test_a_cart_whose_event_cannot_be_written_stays_open(
    database: Database, client: Client
) -> None:
    """The event cannot be written: the cart stays open."""
    uuid = await opened(client)
    await outbox_rows.take_no_pointer(database)

    response = await client.put(f"/carts/{uuid}/checkout")

    assert response.status == 500
    assert await cart_rows.closed_at(database) is None


async def test_the_same_cart_posted_twice_with_one_key_is_one_cart(
    client: Client, database: Database
) -> None:
    first, second = [
        await client.post(
            "/carts", json={"total_amount": 1}, headers={"Idempotency-Key": '"a key"'}
        )
        for _ in range(2)
    ]

    assert await first.read() == await second.read()
    assert (first.status, second.status) == (201, 201)
    assert second.headers["Idempotent-Replayed"] == "true"
    assert await cart_rows.count(database) == 1


async def test_an_expired_outbox_row_does_not_exist(
    client: Client, database: Database, settings: Settings
) -> None:
    """What was not published for a day is still published."""
    uuid = await opened(client)
    await client.put(f"/carts/{uuid}/checkout")
    await outbox_rows.make_due(database, since=timedelta(days=30))

    (leased,) = await scenario.lease(database)

    assert leased.event is not None
    assert str(leased.event.order_id) == uuid


async def test_carts_take_an_api_key_where_not_everything_is_open(
    settings: Settings, database: Database
) -> None:
    closed = settings.model_copy(update={"auth": "required", "webhook_secrets": ("s",)})
    key = (await services.api_keys.create(database, closed, name="shop", actor="command:ann")).key
    async with serving(closed) as client:
        refused = await client.post("/carts", json={"total_amount": 1})
        taken = await client.post("/carts", json={"total_amount": 1}, headers={"X-API-Key": key})

    assert (refused.status, taken.status) == (401, 201)

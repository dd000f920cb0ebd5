"""What a sender wrote is what everybody reads: no text is trimmed, no number changed on the way."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from aiohttp import ClientResponse

from orderbus.egress.session import Session
from orderbus.pubsub import messages
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.support import event_rows, outbox_rows, scenario
from tests.support.api_client import PATH, Client
from tests.support.odd_orders import CASES, Case, as_read, read_as, sent
from tests.support.receiver import Receiver
from tests.support.scenario import deliver


async def by_webhook(client: Client, case: Case) -> tuple[str, dict[str, Any]]:
    response = await client.post(PATH, json=sent(case))
    said = await accepted(response)

    assert said == {"ok": True, "order_id": sent(case)["order_id"]}
    return response.headers["Location"].rpartition("/")[2], as_read(case)


async def by_api(client: Client, case: Case) -> tuple[str, dict[str, Any]]:
    key = {"Idempotency-Key": str(uuid4())}
    said = await accepted(await client.post("/api/v1/orders", json=sent(case), headers=key))

    shown = as_told(said)
    assert {field: shown[field] for field in sent(case)} == as_read(case)
    return said["id"], as_read(case)


async def by_references(client: Client, case: Case) -> tuple[str, dict[str, Any]]:
    products = [{"product_id": one["sku"], "quantity": one["quantity"]} for one in case.items]
    new = {"user_id": case.text("user", 255), "products": products, "amount": str(case.total)}
    said = await accepted(await client.post("/api/v1/orders/new/", json=new))

    items = [
        {
            "sku": one["product_id"],
            "name": one["product_id"],
            "quantity": one["quantity"],
            "unit_price": "0.00",
        }
        for one in products
    ]
    return said["id"], {
        "order_id": said["id"],
        "customer": {"name": "", "email": "", "ref": new["user_id"]},
        "items": items,
        "shipping_address": "",
        "total": as_read(case)["total"],
    }


async def by_cart(client: Client, case: Case) -> tuple[str, dict[str, Any]]:
    items = [{**one, "quantity": min(one["quantity"], 7)} for one in case.items]
    said = await accepted(await client.post("/carts", json={"items": items}))
    cart = said["cart_uuid"]
    response = await client.put(f"/carts/{cart}/checkout")
    assert response.status == 200, await response.text()

    read = read_as(case, items)
    cents = sum(one["quantity"] * int(one["unit_price"].replace(".", "")) for one in read)
    return cart, {
        "order_id": cart,
        "customer": {"name": "", "email": ""},
        "items": read,
        "shipping_address": "",
        "total": f"{cents // 100}.{cents % 100:02}",
    }


async def accepted(response: ClientResponse) -> dict[str, Any]:
    assert response.status == 201, await response.text()
    said: dict[str, Any] = await response.json()
    return said


Door = Callable[[Client, Case], Awaitable[tuple[str, dict[str, Any]]]]
DOORS: dict[str, tuple[Door, str]] = {
    "webhook": (by_webhook, "webhook"),
    "api": (by_api, "api"),
    "references": (by_references, "api"),
    "cart": (by_cart, "cart"),
}


@pytest.fixture
async def endpoints(database: Database, receiver: Receiver) -> None:
    for body_format in ("compact", "event"):
        url = f"{receiver.url}/{body_format}"
        await scenario.add_endpoint(database, url, format=body_format, events=["order.*"])


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("door", DOORS)
async def test_an_order_is_read_everywhere_as_it_was_sent(
    client: Client,
    database: Database,
    settings: Settings,
    http: Session,
    receiver: Receiver,
    endpoints: None,
    door: str,
    case: Case,
) -> None:
    send, source = DOORS[door]
    name, content = await send(client, case)
    quiet = settings.model_copy(update={"processor": "none"})
    await scenario.go_on(database, quiet)

    order = await (await client.get(f"/orders/{name}")).json()
    assert as_told(order) == {**content, "source": source, "status": "created"}
    assert order["external_ref"] == order["order_id"]
    await read_over_http(client, order)
    await announced(database, order)

    cancelled = {"reason": case.text("reason", 2000)}
    response = await client.post(f"/orders/{order['id']}/cancel", json=cancelled)
    after = await response.json()
    assert as_told(after) == {**content, "source": source, "status": "cancelled"}
    assert after["reason"] == cancelled["reason"]
    await scenario.go_on(database, quiet)
    await told_by_webhooks(database, http, settings, receiver, order)


def as_told(order: dict[str, Any]) -> dict[str, Any]:
    """What an order says of itself, without what orderbus adds."""
    added = {
        "id",
        "external_ref",
        "reason",
        "allowed_actions",
        "cart_uuid",
        "created_at",
        "sequence",
        *("cause", "fulfillment_status", "on_hold", "hold_reason", "metadata"),
    }
    kept = {field: value for field, value in order.items() if field not in added}
    of_line = {"line", "shipped"}
    items = [{k: v for k, v in item.items() if k not in of_line} for item in order["items"]]
    return {**kept, "items": items}


async def read_over_http(client: Client, order: dict[str, Any]) -> None:
    """Read the order on every path that shows it or a part of it."""
    assert await (await client.get(f"/api/v1/orders/{order['id']}")).json() == order
    if order["order_id"].isprintable():
        by_name = f"/orders/{quote(order['order_id'], safe='')}"
        assert await (await client.get(by_name)).json() == order
    found = await client.get("/api/v1/orders")
    assert (await found.json())["items"] == [order]
    brief = await (await client.get("/orders")).json()
    assert brief["orders"] == [
        {
            "uuid": order["id"],
            "cart_uuid": order["cart_uuid"],
            "price": order["total"],
            "created_at": order["created_at"],
        }
    ]
    status = await (await client.get(f"/api/v1/orders/{order['id']}/status")).json()
    assert status == {
        "id": order["id"],
        "status": "CREATED",
        "created_at": order["created_at"],
    }
    told = await (await client.get(f"/orders/{order['id']}/history")).json()
    assert (told["order_id"], told["history"][0]["actor"]) == (order["order_id"], order["source"])


async def announced(database: Database, order: dict[str, Any]) -> None:
    """Read the event as it is kept, and as it is announced over Pub/Sub."""
    assert await event_rows.content(database, "order.created") == as_told(order)
    await outbox_rows.publish_again(database, "order.created")
    (leased,) = await scenario.lease(database)
    assert leased.event is not None
    assert json.loads(messages.encode(leased.event).data) == {
        "event": "order.created",
        "order_id": order["order_id"],
        "customer_name": order["customer"]["name"],
        "total": order["total"],
        "created_at": order["created_at"],
    }


async def told_by_webhooks(
    database: Database, http: Session, settings: Settings, receiver: Receiver, order: dict[str, Any]
) -> None:
    """Have every webhook delivered, and read both formats of both events."""
    await deliver(database, http, settings)
    bodies = [request.body for request in receiver.requests]
    created_at = order["created_at"]

    moved = {"fulfillment_status": "cancelled", "on_hold": False}
    for kind, status, more in (
        ("order.created", "created", {}),
        ("order.cancelled", "cancelled", moved),
    ):
        (compact,) = [body for body in bodies if body.get("event") == kind]
        (whole,) = [body for body in bodies if body.get("type") == kind]
        assert {**compact, "sent_at": None} == {
            "event": kind,
            "order_id": order["order_id"],
            "customer_name": order["customer"]["name"],
            "total": order["total"],
            "sent_at": None,
        }
        assert whole["data"] == {
            **as_told(order),
            "id": order["id"],
            "status": status,
            "created_at": created_at,
            **more,
        }

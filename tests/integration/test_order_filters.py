"""Orders are found by what has left, by what is held, and in either order; else it is said why."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.api_client import Client, placed, problem

JANE = {"name": "Jane", "email": "jane@shop.example"}


async def found(client: Client, **params: str) -> list[str]:
    response = await client.get("/api/v1/orders", params=params)
    assert response.status == 200, await response.text()
    return [order["id"] for order in (await response.json())["items"]]


async def test_orders_are_found_by_what_left_what_is_held_total_and_line(client: Client) -> None:
    line = {"sku": "TEA", "name": "Tea", "quantity": 2, "unit_price": 5}
    shipped = await placed(client, customer=JANE, items=[line], total="10.00")
    held, plain = await placed(client, customer=JANE, total="350.00"), await placed(client)
    gone = await placed(client, customer=JANE)
    for order, action in ((shipped, "ship"), (held, "hold"), (gone, "cancel")):
        await client.post(f"/orders/{order['id']}/{action}")
    ids: dict[str, Any] = {"shipped": shipped["id"], "held": held["id"], "plain": plain["id"]}
    expected: list[tuple[dict[str, str], list[str]]] = [
        ({"fulfillment_status": "shipped"}, [ids["shipped"]]),
        ({"fulfillment_status": "pending"}, [ids["plain"], ids["held"]]),
        ({"fulfillment_status": "pending", "on_hold": "false"}, [ids["plain"]]),
        ({"fulfillment_status": "delivered"}, []),
        ({"on_hold": "true"}, [ids["held"]]),
        ({"on_hold": "true", "status": "completed"}, []),
        ({"status__in": "cancelled,failed"}, [gone["id"]]),
        ({"status__in": "created,failed", "status": "cancelled"}, []),
        ({"customer": JANE["email"], "sku": "TEA"}, [ids["shipped"]]),
        ({"customer": JANE["email"], "total__lte": "10"}, [ids["shipped"]]),
        (
            {"customer": JANE["email"], "total__gte": "0", "ordering": "created_at"},
            [ids["shipped"], ids["held"], gone["id"]],
        ),
        ({"external_ref": held["external_ref"], "total__gte": "350.01"}, []),
    ]

    for params, orders in expected:
        assert await found(client, **params) == orders, params


async def test_the_oldest_come_first_where_that_is_asked_for_and_pages_go_on_from_there(
    client: Client,
) -> None:
    ids = [(await placed(client))["id"] for _ in range(5)]
    seen: list[str] = []
    asked = {"limit": "2", "ordering": "created_at"}
    while True:
        page = await (await client.get("/api/v1/orders", params=asked)).json()
        seen += [order["id"] for order in page["items"]]
        if page["next_cursor"] is None:
            break
        asked["cursor"] = page["next_cursor"]

    assert seen == ids


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("fulfillment_status=sent", "must be one of pending"),
        ("on_hold=1", "must be true or false"),
        ("status__in=created,", "must be one of created"),
        ("status__in=", "must be one of created"),
        ("total__gte=-1&customer=x", "must be an amount"),
        ("total__gte=1e3&customer=x", "must be an amount"),
        ("total__lte=0", "needs customer or external_ref"),
        ("sku=TEA", "needs customer or external_ref"),
        ("ordering=total", "must be one of -created_at, created_at"),
        ("onhold=true", "is no filter of this list"),
    ],
)
async def test_a_filter_that_is_none_or_has_no_index_is_refused(
    client: Client, query: str, says: str
) -> None:
    refused = await problem(await client.get(f"/api/v1/orders?{query}"), 400, "invalid")

    assert says in refused["faults"][0]["detail"]

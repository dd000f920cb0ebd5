"""One order resource under all its historical paths."""

from __future__ import annotations

import pytest

from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.support import samples, scenario
from tests.support.api_client import Client, placed, problem

NEW = {
    "user_id": "user_123",
    "products": [{"product_id": "prod_1", "quantity": 2}, {"product_id": "prod_2", "quantity": 1}],
    "amount": "140",
}


@pytest.mark.parametrize("root", ["/orders", "/api/v1/orders"])
async def test_an_order_is_the_same_under_all_its_paths_and_by_both_its_names(
    client: Client, root: str
) -> None:
    order = await placed(client)

    for name in (order["id"], order["order_id"]):
        response = await client.get(f"{root}/{name}")
        assert await response.json() == order
        assert response.headers["ETag"] == '"1"'


async def test_an_order_that_names_itself_nothing_is_named_by_us(client: Client) -> None:
    body = samples.order_body()
    del body["order_id"]
    response = await client.post(
        "/api/v1/orders", json=body, headers={"Idempotency-Key": "one of ours"}
    )
    order = await response.json()

    assert order["order_id"] == order["id"]
    assert response.headers["Location"] == f"/api/v1/orders/{order['id']}"


async def test_whoever_has_seen_it_already_is_sent_nothing(client: Client) -> None:
    order = await placed(client)

    response = await client.get(f"/orders/{order['id']}", headers={"If-None-Match": '"1"'})

    assert (response.status, await response.read()) == (304, b"")


async def test_pages_show_each_order_once_however_many_come_in_meanwhile(client: Client) -> None:
    ids = [(await placed(client))["id"] for _ in range(5)]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await (await client.get("/api/v1/orders", params={"limit": "2", **cursor})).json()
        seen += [order["id"] for order in page["items"]]
        await placed(client)
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}

    assert seen == ids[::-1]


async def test_orders_are_found_by_status_source_reference_customer_and_time(
    client: Client, database: Database, settings: Settings
) -> None:
    jane = await placed(client, customer={"name": "Jane", "email": "jane@shop.example"})
    await scenario.go_on(database, settings)
    joe = await placed(client, customer={"name": "Joe", "email": "joe@shop.example"})
    new = (await (await client.post("/api/v1/orders/new", json=NEW)).json())["id"]
    await scenario.place(database, "SO-1")

    async def found(**params: str) -> list[str]:
        response = await client.get("/api/v1/orders", params=params)
        assert response.status == 200, await response.text()
        return [order["id"] for order in (await response.json())["items"]]

    assert await found(status="completed") == [jane["id"]]
    assert await found(customer="joe@shop.example") == [joe["id"]]
    assert await found(customer="user_123") == [new]
    assert await found(source="webhook", external_ref="SO-1") != []
    assert await found(created_at__lt=joe["created_at"]) == [jane["id"]]
    assert len(await found(created_at__gte=joe["created_at"])) == 3
    assert await found(status="completed", customer="joe@shop.example") == []


@pytest.mark.parametrize(
    "query",
    [
        "stauts=created",
        "status=unknown",
        "limit=0",
        "limit=101",
        "limit=x",
        "cursor=no",
        "cursor=LTE=",
        "created_at__gte=yesterday",
        "created_at__gte=2026-01-02T03:04:05",
        "customer=",
        "status=created&status=failed",
    ],
)
async def test_a_filter_that_is_none_is_refused_and_never_ignored(
    client: Client, query: str
) -> None:
    refused = await problem(await client.get(f"/api/v1/orders?{query}"), 400, "invalid")

    (fault,) = refused["faults"]
    name, _, given = query.partition("=")
    assert fault["detail"].startswith(
        (f"is {given!r}: ", "is no filter of this list", "is given twice")
    )
    assert fault["pointer"] in {f"/{name}", "/"}


async def test_all_orders_are_listed_in_brief_as_old_clients_expect(client: Client) -> None:
    order = await placed(client)

    listed = await (await client.get("/orders")).json()

    assert listed == {
        "orders": [
            {
                "uuid": order["id"],
                "cart_uuid": None,
                "price": "350.00",
                "created_at": order["created_at"],
            }
        ]
    }


async def test_the_history_tells_who_did_what_and_when(client: Client) -> None:
    order = await placed(client)
    await client.post(f"/orders/{order['id']}/cancel", json={"reason": "ordered twice"})

    told = await (await client.get(f"/api/v1/orders/{order['id']}/history")).json()

    created, cancelled = told["history"]
    assert (created["type"], created["actor"]) == ("order.created", "api")
    assert (cancelled["type"], cancelled["actor"]) == ("order.cancelled", "loopback")
    assert cancelled["details"] == {
        "from": "created",
        "to": "cancelled",
        "reason": "ordered twice",
    }


async def test_the_journey_tells_every_hop(
    client: Client, database: Database, settings: Settings
) -> None:
    order = await placed(client)
    await scenario.go_on(database, settings)

    told = await (await client.get(f"/orders/{order['id']}/journey")).json()

    assert {event["state"] for event in told["events"]} == {"returned"}
    assert [event["sequence"] for event in told["events"]] == [1, 2, 3, 4]

"""An order is changed only by whoever may, only as it may be, and only as it was seen."""

from __future__ import annotations

import asyncio

import pytest

from orderbus import services
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.support import consumption_rows, order_rows, scenario
from tests.support.api_client import Client, placed, problem, serving


async def test_an_order_that_can_be_cancelled_says_so_and_then_is(client: Client) -> None:
    order = await placed(client)
    assert "cancel" in order["allowed_actions"]

    response = await client.post(f"/orders/{order['id']}/cancel", headers={"If-Match": '"1"'})
    cancelled = await response.json()

    assert response.status == 200
    assert (cancelled["status"], cancelled["allowed_actions"]) == ("cancelled", [])
    assert response.headers["ETag"] == '"2"'


async def test_what_cannot_be_cancelled_any_more_is_a_409_that_says_from_where_to_where(
    client: Client,
) -> None:
    order = await placed(client)
    await client.post(f"/orders/{order['id']}/cancel")

    refused = await problem(await client.post(f"/orders/{order['id']}/cancel"), 409, "illegal-move")

    assert (refused["from"], refused["to"], refused["allowed"]) == ("cancelled", "cancelled", [])


@pytest.mark.parametrize("tag", ['"7"', "nonsense", '"1", "2"', 'W/"9"'])
async def test_a_change_of_what_has_changed_meanwhile_is_a_412(client: Client, tag: str) -> None:
    order = await placed(client)

    await problem(
        await client.post(f"/orders/{order['id']}/cancel", headers={"If-Match": tag}),
        412,
        "changed",
    )


async def test_an_order_that_failed_can_be_tried_again_and_no_other(
    client: Client, database: Database, settings: Settings
) -> None:
    order = await placed(client)
    url = f"/orders/{order['id']}"
    await problem(await client.post(f"{url}/retry"), 409, "illegal-move")
    never = {"processor": "random", "processing_success_rate": 0.0}
    await scenario.go_on(database, settings.model_copy(update=never))
    failed = await (await client.get(url)).json()
    assert (failed["status"], failed["allowed_actions"]) == ("failed", ["cancel", "retry", "hold"])

    answer = await client.post(f"{url}/retry", headers={"If-Match": '"4"'})
    assert (answer.status, (await answer.json())["status"]) == (202, "failed")
    await scenario.consume(database, settings, "process_order")

    order = await (await client.get(url)).json()
    assert (order["status"], order["sequence"]) == ("completed", 7)


async def test_an_order_whose_event_is_gone_cannot_be_tried_again(
    client: Client, database: Database, settings: Settings
) -> None:
    order = await placed(client)
    never = {"processor": "random", "processing_success_rate": 0.0}
    await scenario.go_on(database, settings.model_copy(update=never))
    await consumption_rows.delete_all(database)

    await problem(await client.post(f"/orders/{order['id']}/retry"), 409, "conflict")


async def test_of_many_who_cancel_at_once_one_does(client: Client, database: Database) -> None:
    order = await placed(client)

    answers = await asyncio.gather(
        *(client.post(f"/orders/{order['id']}/cancel") for _ in range(20))
    )

    assert sorted(answer.status for answer in answers) == [200, *[409] * 19]
    assert await order_rows.last_sequence(database) == 2


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'{"reason": 1}',
        b'{"reason": ""}',
        b'{"reason": "a\\u0000"}',
        b'{"reason": "\\ud800"}',
        b"{",
    ],
)
async def test_a_reason_that_is_none_is_refused(client: Client, body: bytes) -> None:
    order = await placed(client)

    response = await client.post(
        f"/orders/{order['id']}/cancel", data=body, headers={"Content-Type": "application/json"}
    )

    await problem(response, 400, "invalid")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/orders/1/retry"),
        ("GET", "/orders"),
        ("GET", "/api/v1/orders"),
        ("POST", "/api/v1/orders"),
        ("POST", "/api/v1/orders/new"),
        ("GET", "/api/v1/orders/1/status"),
        ("GET", "/orders/1"),
        ("GET", "/orders/1/history"),
        ("GET", "/orders/1/journey"),
        ("POST", "/orders/1/cancel"),
        ("POST", "/orders/1/hold"),
        ("POST", "/orders/1/release"),
        ("POST", "/orders/1/ship"),
        ("POST", "/orders/1/deliver"),
        ("PATCH", "/orders/1"),
        ("GET", "/carts"),
        ("POST", "/carts"),
        ("PUT", "/carts/1/checkout"),
    ],
)
async def test_nobody_without_an_api_key_learns_or_changes_anything(
    settings: Settings, method: str, path: str
) -> None:
    closed = settings.model_copy(update={"auth": "required"})
    async with serving(closed.model_copy(update={"webhook_secrets": ("s",)})) as client:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"X-API-Key": "obk_" + "x" * 43}):
            response = await client.request(method, path, headers=headers)
            assert response.status == 401


async def test_the_history_names_the_key_that_changed_an_order(
    settings: Settings, database: Database
) -> None:
    key = (
        await services.api_keys.create(database, settings, name="back office", actor="command:ann")
    ).key
    async with serving(settings) as client:
        order = await placed(client)
        headers = {"Authorization": f"Bearer {key}"}
        await client.post(f"/orders/{order['id']}/cancel", headers=headers)
        told = await (await client.get(f"/orders/{order['id']}/history")).json()

    assert told["history"][-1]["actor"] == "key 1 back office"

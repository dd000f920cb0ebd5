"""An order is held, shipped, delivered and changed over HTTP: each once, whole, and told of."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from orderbus import storage
from orderbus.domain.orders import OrderId
from orderbus.storage.database import Database
from tests.support import event_rows, order_rows
from tests.support.api_client import Client, placed, problem

#: Of the sample order: two of the first line, one of the second.
ORDERED = [2, 1]


async def do(client: Client, order: dict[str, Any], action: str, **body: Any) -> dict[str, Any]:
    response = await client.post(f"/api/v1/orders/{order['id']}/{action}", json=body)
    assert response.status == 200, await response.text()
    moved: dict[str, Any] = await response.json()
    assert response.headers["ETag"] == f'"{moved["sequence"]}"'
    return moved


async def cancelled(client: Client) -> dict[str, Any]:
    return await do(client, await placed(client), "cancel")


def lines(*quantities: int) -> list[dict[str, int]]:
    return [
        {"line": number, "quantity": quantity}
        for number, quantity in enumerate(quantities, 1)
        if quantity
    ]


async def test_an_order_is_held_released_shipped_and_delivered_and_its_history_tells_all(
    client: Client, database: Database
) -> None:
    order = await placed(client)
    assert (order["fulfillment_status"], order["on_hold"], order["metadata"]) == (
        *("pending", False),
        {},
    )
    assert order["allowed_actions"] == ["cancel", "hold", "ship"]

    held = await do(client, order, "hold", reason="a doubtful address")
    assert (held["on_hold"], held["hold_reason"]) == (True, "a doubtful address")
    assert held["allowed_actions"] == ["cancel", "release"]
    released = await do(client, order, "release")
    assert (released["on_hold"], released["hold_reason"]) == (False, None)
    some = await do(client, order, "ship", lines=lines(1))
    assert (some["fulfillment_status"], some["allowed_actions"]) == (
        "partially_shipped",
        ["hold", "ship"],
    )
    rest = await do(client, order, "ship")
    assert (rest["fulfillment_status"], rest["allowed_actions"]) == ("shipped", ["deliver"])
    assert [item["shipped"] for item in rest["items"]] == ORDERED
    delivered = await do(client, order, "deliver")
    assert (delivered["fulfillment_status"], delivered["allowed_actions"]) == ("delivered", [])

    assert await order_rows.history_types(database) == [
        *("order.created", "order.held", "order.released", "order.partially_shipped"),
        *("order.shipped", "order.delivered"),
    ]
    told = await event_rows.content(database, "order.shipped")
    assert told["fulfillment_status"] == "shipped"
    assert [(one["line"], one["quantity"]) for one in told["shipment"]["lines"]] == [(1, 1), (2, 1)]


@pytest.mark.parametrize(
    ("before", "action", "source", "target", "allowed"),
    [
        (("hold",), "hold", "held", "held", ["cancel", "release"]),
        ((), "release", "released", "released", ["cancel", "hold", "ship"]),
        (("hold",), "ship", "held", "shipped", ["cancel", "release"]),
        ((), "deliver", "pending", "delivered", ["cancel", "hold", "ship"]),
        (("ship",), "ship", "shipped", "shipped", ["deliver"]),
        (("ship",), "hold", "shipped", "held", ["deliver"]),
        (("ship",), "cancel", "shipped", "cancelled", ["deliver"]),
        (("ship", "deliver"), "deliver", "delivered", "delivered", []),
        (("cancel",), "hold", "cancelled", "held", []),
        (("cancel",), "ship", "cancelled", "shipped", []),
    ],
)
async def test_what_is_no_move_is_a_409_that_says_from_where_to_where_and_what_is_allowed(
    client: Client,
    before: tuple[str, ...],
    action: str,
    source: str,
    target: str,
    allowed: list[str],
) -> None:
    order = await placed(client)
    for each in before:
        order = await do(client, order, each)

    answer = await client.post(f"/api/v1/orders/{order['id']}/{action}")

    refused = await problem(answer, 409, "illegal-move")
    assert (refused["from"], refused["to"], refused["allowed"]) == (source, target, allowed)
    shown = await (await client.get(f"/orders/{order['id']}")).json()
    assert shown == order


async def test_a_move_under_a_key_is_made_once_and_only_of_the_version_that_was_seen(
    client: Client, database: Database
) -> None:
    order = await placed(client)
    url = f"/orders/{order['id']}/ship"
    key = {"Idempotency-Key": "a parcel"}
    stale = await client.post(url, headers={"If-Match": '"7"'}, json={"lines": lines(1)})
    await problem(stale, 412, "changed")

    answers = [await client.post(url, headers=key, json={"lines": lines(1)}) for _ in range(3)]

    assert [answer.status for answer in answers] == [200] * 3
    assert len({await answer.text() for answer in answers}) == 1
    assert answers[-1].headers["Idempotent-Replayed"] == "true"
    assert await order_rows.shipped(database, OrderId(UUID(order["id"]))) == [1, 0]


async def test_partial_shipments_add_up_to_what_was_ordered_and_never_to_more(
    client: Client, database: Database
) -> None:
    order = await placed(client)
    order_id = OrderId(UUID(order["id"]))
    url = f"/orders/{order['id']}/ship"

    answers = await asyncio.gather(*(client.post(url, json={"lines": lines(1)}) for _ in range(10)))
    assert sorted(answer.status for answer in answers) == [200] * 2 + [409] * 8
    for too_much in (lines(1, 1), lines(0, 2)):
        await problem(await client.post(url, json={"lines": too_much}), 409, "conflict")
    assert await order_rows.shipped(database, order_id) == [2, 0]
    rest = await do(client, order, "ship", lines=lines(0, 1))

    assert rest["fulfillment_status"] == "shipped"
    assert await order_rows.shipped(database, order_id) == ORDERED
    with pytest.raises(asyncpg.CheckViolationError):
        await order_rows.ship_past_all_code(database, 3)


@pytest.mark.parametrize(
    "given",
    [
        [],
        [{"line": 3, "quantity": 1}],
        [{"line": 0, "quantity": 1}],
        [{"line": 1, "quantity": 0}],
        [{"line": 1, "quantity": -1}],
        [{"line": 1, "quantity": 1.0}],
        [{"line": True, "quantity": 1}],
        [{"line": 1, "quantity": 2**31}],
        [{"line": 1, "quantity": 1}, {"line": 1, "quantity": 1}],
        [{"quantity": 1}],
        {"line": 1},
        "all",
    ],
)
async def test_lines_that_are_none_are_refused(client: Client, given: Any) -> None:
    order = await placed(client)

    answer = await client.post(f"/orders/{order['id']}/ship", json={"lines": given})

    refused = await problem(answer, 400, "invalid")
    assert refused["faults"][0]["pointer"].startswith("/lines")
    assert (await (await client.get(f"/orders/{order['id']}")).json()) == order


@pytest.mark.parametrize("first", [("ship", "cancel"), ("ship", "hold")], ids=" against ".join)
async def test_of_two_moves_that_exclude_one_another_exactly_one_is_made(
    client: Client, first: tuple[str, str]
) -> None:
    for _ in range(10):
        order = await placed(client)
        url = f"/api/v1/orders/{order['id']}"
        answers = await asyncio.gather(*(client.post(f"{url}/{action}") for action in first))
        assert sorted(answer.status for answer in answers) == [200, 409]
        assert (await (await client.get(url)).json())["sequence"] == 2


async def test_a_parcel_that_left_before_the_cancel_arrived_can_be_told_of_and_is_seen(
    client: Client, database: Database
) -> None:
    order = await cancelled(client)

    left = await do(client, order, "ship", though_cancelled=True, lines=lines(1))

    assert (left["status"], left["fulfillment_status"]) == ("cancelled", "shipped")
    assert (await order_rows.history_types(database))[-2:] == [
        "order.shipped",
        "order.shipped_though_cancelled",
    ]
    told = await event_rows.content(database, "order.shipped_though_cancelled")
    assert (told["status"], len(told["shipment"]["lines"])) == ("cancelled", 1)
    assert (await do(client, order, "deliver"))["fulfillment_status"] == "delivered"


async def test_a_cancellation_says_why_in_a_word_and_ends_a_hold(client: Client) -> None:
    order = await do(client, await placed(client), "hold", reason="is it them?")

    gone = await do(client, order, "cancel", cause="fraud", reason="it was not")

    assert (gone["cause"], gone["reason"], gone["fulfillment_status"]) == (
        *("fraud", "it was not"),
        "cancelled",
    )
    assert (gone["on_hold"], gone["hold_reason"]) == (False, None)
    told = (await (await client.get(f"/orders/{order['id']}/history")).json())["history"][-1]
    assert (told["details"]["cause"], told["details"]["reason"]) == ("fraud", "it was not")
    other = await placed(client)
    answer = await client.post(f"/orders/{other['id']}/cancel", json={"cause": "a whim"})
    await problem(answer, 400, "invalid")


async def test_what_fails_in_the_middle_of_a_move_leaves_nothing_of_it(
    client: Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await placed(client)
    append = storage.events.append

    async def fail(*given: Any) -> Any:
        await append(*given)
        raise ZeroDivisionError

    monkeypatch.setattr(storage.events, "append", fail)
    for action, body in (("ship", {"lines": lines(1)}), ("hold", {}), ("cancel", {})):
        answer = await client.post(f"/orders/{order['id']}/{action}", json=body)
        await problem(answer, 500, "internal")

    assert (await (await client.get(f"/orders/{order['id']}")).json()) == order
    assert await order_rows.shipped(database, OrderId(UUID(order["id"]))) == [0, 0]
    assert (await order_rows.count_history(database), await event_rows.count(database)) == (1, 1)

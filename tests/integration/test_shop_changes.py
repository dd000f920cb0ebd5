"""An order of the shop is changed with its stock, or removed; what became of it is still told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from orderbus.domain.orders import LARGEST_QUANTITY
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.conftest import settings_from
from tests.support import event_rows, identity, order_rows, scenario, shop_samples, stock_rows
from tests.support.api_client import Client
from tests.support.identity import SignedIn
from tests.support.shop_samples import GUITAR, NOWHERE, ORDERS, line, order

BECOMES = "becomes something else by what is done to it."
MARTIN = "fe36af8e-0a14-4413-aa36-cb3d1a02733a"


@pytest.fixture
def settings(env: dict[str, str]) -> Settings:
    return settings_from(env, auth="required", webhook_secrets="shared")


@pytest.fixture
async def people(client: Client, database: Database, settings: Settings) -> Sequence[SignedIn]:
    """The owner of a shop, and a customer."""
    return await shop_samples.open_shop(client, database, settings)


async def placed(somebody: SignedIn, *lines: dict[str, Any], **more: Any) -> str:
    """Place an order; returns its path."""
    response = await somebody.ask("POST", ORDERS, order(*lines, **more))
    assert response.status == 201, await response.text()
    return f"{ORDERS}{(await response.json())['id']}/"


async def allocated(database: Database) -> tuple[int, int]:
    """How many of the first and of the third product orders have."""
    first, third = [await stock_rows.level(database, product) for product in (1, 3)]
    assert await stock_rows.differences(database) == []
    return first.allocated, third.allocated


async def test_what_is_ordered_is_changed_with_the_stock_of_it(
    people: Sequence[SignedIn], database: Database
) -> None:
    _, customer = people
    one = await placed(customer, line(GUITAR, 3), line(MARTIN, 2))
    had: list[tuple[int, int]] = []
    changed: dict[str, Any] = {}
    for lines in (
        (line(GUITAR, 5), line(MARTIN, 2)),
        (line(GUITAR, 1),),
        (line(MARTIN, 1), line(MARTIN, 1)),
        (line(GUITAR, 2, 7),),
    ):
        response = await customer.ask("PUT", one, order(*lines, total="20.00"))
        changed = await response.json()
        assert response.status == 200, changed
        assert response.headers["ETag"] == f'"{5 + len(had)}"'
        had.append(await allocated(database))

    assert had == [(5, 2), (1, 2), (0, 2), (2, 1)]
    assert changed == await shop_samples.read(customer, one)
    items = [(each["product"], each["quantity"], each["price"]) for each in changed["order_items"]]
    assert items == [(GUITAR, 2, "7.00"), (MARTIN, 1, "1000.00")]
    assert (changed["total"], changed["status"]) == ("20.00", "completed")


async def test_what_was_changed_is_told_once_and_as_it_is_now(
    people: Sequence[SignedIn], database: Database
) -> None:
    _, customer = people
    one = await placed(customer)
    for _ in range(3):
        response = await customer.ask("PATCH", one, {"total": "2500", "status": "completed"})
        assert (await response.json())["total"] == "2500.00"

    told = await event_rows.content(database, "order.changed")
    assert (told["total"], told["items"][0]["product"]) == ("2500.00", GUITAR)
    assert (await order_rows.history_types(database))[4:] == ["order.changed"]
    assert (await order_rows.details(database))[-1] == {"changed": ["total"]}
    history = await shop_samples.read(customer, f"{one}history/")
    assert history["history"][-1]["actor"] == f"user {customer.user.id}"


async def test_what_there_is_too_little_of_changes_nothing(
    people: Sequence[SignedIn], database: Database
) -> None:
    _, customer = people
    one = await placed(customer, line(GUITAR, 3), line(MARTIN, 2))
    before = await shop_samples.read(customer, one)

    short = await customer.ask("PUT", one, order(line(MARTIN, 1), line(GUITAR, 53), total=1))
    unknown = await customer.ask("PATCH", one, {"order_items": [line(NOWHERE)]})
    most = [line(GUITAR, LARGEST_QUANTITY)] * 2
    for method, path in (("PATCH", one), ("POST", ORDERS)):
        many = await customer.ask(method, path, {"order_items": most, "total": 1})
        assert (many.status, (await many.json())["short"][0]["sku"]) == (400, "GUITAR-1")

    refusal = await short.json()
    assert (short.status, unknown.status) == (400, 400)
    assert refusal["short"] == [{"sku": "GUITAR-1", "wanted": 53, "available": 52}]
    assert "Product not found" in (await unknown.json())["error"]
    assert await shop_samples.read(customer, one) == before
    assert await allocated(database) == (3, 2)


async def test_an_order_that_took_no_stock_takes_none_when_it_is_changed(
    people: Sequence[SignedIn], database: Database
) -> None:
    owner, _ = people
    one = await placed(owner, line(NOWHERE), status="completed")

    response = await owner.ask("PUT", one, order(line(GUITAR, 4)))

    assert response.status == 200
    assert await allocated(database) == (0, 0)


async def test_many_changes_at_once_leave_the_stock_as_the_order_is(
    people: Sequence[SignedIn], database: Database
) -> None:
    _, customer = people
    one = await placed(customer, line(GUITAR, 1), line(MARTIN, 1))

    answers = await asyncio.gather(
        *(
            customer.ask("PATCH", one, {"order_items": [line(GUITAR, n), line(MARTIN, 9 - n)]})
            for n in range(1, 9)
        )
    )

    assert {answer.status for answer in answers} == {200}
    items = (await shop_samples.read(customer, one))["order_items"]
    assert await allocated(database) == tuple(item["quantity"] for item in items)


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (
            order(line(), line()),
            {"order_items": ["An order of 1 items takes no more."]},
        ),
        (
            order(status="failed"),
            {"status": [f"An order that is completed {BECOMES}"]},
        ),
        (order(total=0), {"non_field_errors": ["Total should be greater than 0"]}),
        ({"total": 1}, {"order_items": ["This field is required."]}),
    ],
)
async def test_what_cannot_be_is_said_by_field(
    people: Sequence[SignedIn], body: Any, refusal: Any
) -> None:
    _, customer = people
    one = await placed(customer)

    response = await customer.ask("PUT", one, body)

    assert (response.status, await response.json()) == (400, refusal)


async def test_what_has_left_is_changed_no_more_and_neither_is_what_came_another_way(
    people: Sequence[SignedIn], database: Database
) -> None:
    owner, _ = people
    one = await placed(owner)
    uuid = (await shop_samples.read(owner, one))["public_id"]
    await owner.ask("POST", f"/orders/{uuid}/ship")
    await scenario.place(database)
    other = (await shop_samples.read(owner))["results"][1]

    left = await owner.ask("PATCH", one, {"total": 1})
    same = await owner.ask("PUT", one, order())
    foreign = await owner.ask("PATCH", f"{ORDERS}{other['id']}/", {"total": 1})

    assert (left.status, same.status, foreign.status) == (400, 200, 400)
    assert "is shipped" in str(await left.json())
    said = "It did not come by this way, and is not changed by it."
    assert await foreign.json() == {"non_field_errors": [said]}


async def test_who_has_not_seen_it_as_it_is_changes_nothing(people: Sequence[SignedIn]) -> None:
    _, customer = people
    one = await placed(customer)
    stale = {**customer.headers, "If-Match": '"3"'}

    answers = [
        await customer.client.put(one, json=order(total=1), headers=stale),
        await customer.client.patch(one, json={"total": 1}, headers=stale),
        await customer.client.delete(one, headers=stale),
    ]

    assert {answer.status for answer in answers} == {412}
    assert (await shop_samples.read(customer, one))["total"] == "3000.00"


async def test_what_is_removed_is_there_no_more_is_cancelled_and_gives_back_what_it_had(
    people: Sequence[SignedIn], database: Database
) -> None:
    owner, customer = people
    one = await placed(customer)
    uuid = (await shop_samples.read(customer, one))["public_id"]

    removed, again = [await customer.ask("DELETE", one) for _ in range(2)]

    assert (removed.status, await removed.read()) == (204, b"")
    assert (again.status, await again.json()) == (404, {"detail": "Not found."})
    for method, path in (
        *(("GET", one), ("PUT", one), ("PATCH", one), ("GET", f"{one}history/")),
        *(("GET", f"/orders/{uuid}"), ("GET", f"/orders/{uuid}/history")),
    ):
        gone = await customer.ask(method, path, order() if method != "GET" else None)
        assert gone.status == 404, path
    for somebody in people:
        assert (await shop_samples.read(somebody))["count"] == 0
    assert (await shop_samples.read(customer, "/api/v1/orders"))["items"] == []
    assert await allocated(database) == (0, 0)
    kept = await shop_samples.read(owner, f"/orders/{uuid}")
    assert (kept["status"], kept["cause"]) == ("cancelled", "customer")
    history = (await shop_samples.read(owner, f"/orders/{uuid}/history"))["history"]
    assert [(each["type"], each["actor"]) for each in history[4:]] == [
        ("order.cancelled", f"user {customer.user.id}"),
        ("order.removed", f"user {customer.user.id}"),
    ]
    assert (await event_rows.content(database, "order.removed"))["status"] == "cancelled"


async def test_what_has_left_is_removed_from_sight_alone(
    people: Sequence[SignedIn], database: Database
) -> None:
    owner, _ = people
    one = await placed(owner)
    uuid = (await shop_samples.read(owner, one))["public_id"]
    await owner.ask("POST", f"/orders/{uuid}/ship")

    assert (await owner.ask("DELETE", one)).status == 204

    kept = await shop_samples.read(owner, f"/orders/{uuid}")
    assert (kept["status"], kept["fulfillment_status"]) == ("completed", "shipped")
    assert (await stock_rows.level(database, 1)).shipped == 3


async def test_of_many_who_remove_it_one_does(
    people: Sequence[SignedIn], database: Database
) -> None:
    owner, customer = people
    one = await placed(customer)

    answers = await asyncio.gather(
        *(somebody.ask("DELETE", one) for somebody in (owner, customer) * 6)
    )

    assert sorted(answer.status for answer in answers) == [204] + [404] * 11
    types = await order_rows.history_types(database)
    assert (types.count("order.cancelled"), types.count("order.removed")) == (1, 1)


async def test_nobody_changes_or_removes_an_order_that_is_not_theirs(
    people: Sequence[SignedIn], client: Client, database: Database, settings: Settings
) -> None:
    owner, customer = people
    other = await identity.signed_in(client, database, settings, "other")
    one = await placed(customer)

    for method, path in (
        *(("PUT", one), ("PATCH", one), ("DELETE", one)),
        ("GET", f"{one}history/"),
    ):
        refused = await other.ask(method, path, order(total=1) if method != "GET" else None)
        assert (refused.status, await refused.json()) == (404, {"detail": "Not found."})
    assert (await owner.ask("PATCH", one, {"total": 1})).status == 200

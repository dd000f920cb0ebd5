"""Orders and carts of a customer are theirs: they see them, and nobody else's are there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from orderbus.domain.rights import Role
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.conftest import settings_from
from tests.support import event_rows, identity, samples, scenario, shop_samples
from tests.support.api_client import Client
from tests.support.identity import SignedIn
from tests.support.shop_samples import OPPLY_TEST, ORDERS

#: Everything of one order or cart that a customer may ask for, and how.
OF_ORDERS = (
    ("GET", "/orders/{uuid}"),
    ("GET", "/api/v1/orders/{uuid}"),
    ("GET", "/orders/{uuid}/history"),
    ("GET", "/api/v1/orders/{uuid}/history"),
    ("GET", "/api/v1/orders/{uuid}/status"),
    ("GET", ORDERS + "{id}/"),
)
OF_CARTS = (
    ("GET", "/carts/{uuid}"),
    ("PUT", "/carts/{uuid}/items/GUITAR-1"),
    ("PUT", "/carts/{uuid}/checkout"),
)
LISTS = (ORDERS, "/api/v1/orders", "/carts")


@pytest.fixture
def settings(env: dict[str, str]) -> Settings:
    return settings_from(env, auth="required", webhook_secrets="shared")


@pytest.fixture
async def people(client: Client, database: Database, settings: Settings) -> Sequence[SignedIn]:
    """The owner of a shop, and two of its customers."""
    owner, customer = await shop_samples.open_shop(client, database, settings)
    other = await identity.signed_in(client, database, settings, "other")
    return owner, customer, other


async def opened(somebody: SignedIn) -> str:
    item = {"sku": "GUITAR-1", "name": "Guitar", "quantity": 1, "unit_price": 100}
    response = await somebody.ask("POST", "/carts", {"items": [item]})
    assert response.status == 201, await response.text()
    return str((await response.json())["cart_uuid"])


async def ask(somebody: SignedIn, method: str, path: str) -> tuple[int, dict[str, Any]]:
    body = {"quantity": 1} if "/items/" in path else None
    response = await somebody.ask(method, path, body)
    return response.status, await response.json()


async def test_somebody_elses_order_or_cart_is_not_there(people: Sequence[SignedIn]) -> None:
    owner, customer, other = people
    order, cart = await shop_samples.placed(customer), await opened(customer)
    uuid = order["public_id"]
    paths = [
        *((method, path.format(id=order["id"], uuid=uuid)) for method, path in OF_ORDERS),
        *((method, path.format(uuid=cart)) for method, path in OF_CARTS),
    ]

    for method, path in paths:
        nothing = path.replace(uuid, cart).replace(f"/{order['id']}/", "/4711/")
        status, refusal = await ask(other, method, path)
        assert (status, "error" in refusal) == (404, path.startswith("/carts")), path
        if "/orders" in path:  # it looks like what there is not
            missing = await ask(other, method, nothing)
            assert missing[0] == 404
            assert {*missing[1]} == {*refusal}
    for method, path in paths:
        assert (await ask(customer, method, path))[0] == 200, path
        if method == "GET":
            assert (await ask(owner, method, path))[0] == 200, path


async def test_lists_hold_what_is_ones_own_and_those_of_the_house_everything(
    people: Sequence[SignedIn], client: Client, database: Database, settings: Settings
) -> None:
    owner, customer, other = people
    support = await identity.signed_in(client, database, settings, "support", Role.SUPPORT)
    for somebody in (customer, customer, other, owner):
        await shop_samples.placed(somebody)
        await opened(somebody)
    await scenario.place(database)

    counted = {}
    for somebody in (customer, other, owner, support):
        pages = [await shop_samples.read(somebody, path) for path in LISTS]
        counted[somebody.user.username] = [
            len(page.get("results") or page.get("items") or page["carts"]) for page in pages
        ]

    assert counted == {
        "customer": [2, 2, 2],
        "other": [1, 1, 1],
        "owner": [5, 5, 4],
        "support": [5, 5, 4],
    }
    filters = "status=completed&source=catalog&fulfillment_status=pending&on_hold=false"
    found = await shop_samples.read(customer, f"/api/v1/orders?{filters}&ordering=created_at")
    assert {order["customer"]["id"] for order in found["items"]} == {str(OPPLY_TEST)}
    assert len(found["items"]) == 2


async def test_a_cart_becomes_an_order_of_the_customer_who_filled_it(
    people: Sequence[SignedIn], database: Database, settings: Settings
) -> None:
    owner, customer, other = people
    cart = await opened(customer)

    assert (await ask(customer, "PUT", f"/carts/{cart}/checkout"))[0] == 200
    await scenario.go_on(database, settings.model_copy(update={"processor": "always"}))

    (order,) = (await shop_samples.read(customer))["results"]
    assert (order["customer"], order["status"]) == (str(OPPLY_TEST), "completed")
    assert [item["product"] for item in order["order_items"]] == [shop_samples.GUITAR]
    assert await shop_samples.read(customer, order["url"][order["url"].index("/api") :]) == order
    told = await event_rows.content(database, "order.created")
    assert told["customer"] == {"name": "", "email": "", "id": str(OPPLY_TEST)}
    assert (await shop_samples.read(customer, f"/orders/{cart}"))["id"] == order["public_id"]
    assert (await ask(other, "GET", f"/orders/{cart}"))[0] == 404
    assert (await shop_samples.read(owner, f"/orders/{cart}"))["cart_uuid"] == cart


async def test_an_order_that_has_the_reference_of_ones_own_does_not_hide_it(
    people: Sequence[SignedIn], database: Database, settings: Settings
) -> None:
    customer = people[1]
    cart = await opened(customer)
    await ask(customer, "PUT", f"/carts/{cart}/checkout")
    await scenario.go_on(database, settings)
    await scenario.place(database, cart)  # signed, so it comes first to everybody else

    assert (await shop_samples.read(customer, f"/orders/{cart}"))["source"] == "cart"


async def test_a_customer_cancels_an_order_of_theirs_until_somebody_begins_with_it(
    people: Sequence[SignedIn], database: Database, settings: Settings
) -> None:
    _, customer, other = people
    cart = await opened(customer)
    await ask(customer, "PUT", f"/carts/{cart}/checkout")
    await scenario.go_on(database, settings.model_copy(update={"processor": "none"}))
    begun = (await shop_samples.placed(customer))["public_id"]

    assert (await ask(other, "POST", f"/orders/{cart}/cancel"))[0] == 404
    assert (await shop_samples.read(customer, f"/orders/{cart}"))["allowed_actions"] == ["cancel"]
    status, cancelled = await ask(customer, "POST", f"/orders/{cart}/cancel")
    assert (status, cancelled["status"], cancelled["cause"]) == (200, "cancelled", "customer")
    assert cancelled["allowed_actions"] == []
    status, refusal = await ask(customer, "POST", f"/orders/{begun}/cancel")
    assert (status, refusal["type"], refusal["allowed"]) == (409, "/problems/illegal-move", [])
    assert (await ask(people[0], "POST", f"/orders/{begun}/cancel"))[0] == 200


async def test_the_history_names_the_customer_and_nobody_of_the_house(
    people: Sequence[SignedIn],
) -> None:
    owner, customer, _ = people
    order = (await shop_samples.placed(customer))["public_id"]
    await owner.ask("POST", f"/orders/{order}/hold", {"reason": "looks like fraud"})

    seen = await shop_samples.read(customer, f"/orders/{order}/history")

    me = f"user {customer.user.id}"
    assert [(each["type"], each["actor"]) for each in seen["history"]] == [
        ("order.created", me),
        ("order.processing_started", me),
        ("order.completed", me),
        ("order.processed", me),
        ("order.held", "shop"),
    ]
    assert seen["history"][-1]["details"] == {"from": "released", "to": "held"}
    assert seen["conflicts"] == []
    assert (await shop_samples.read(customer, f"/orders/{order}"))["hold_reason"] is None
    whole = await shop_samples.read(owner, f"/orders/{order}/history")
    assert whole["history"][-1]["actor"] == f"user {owner.user.id}"


async def test_nobody_makes_an_order_theirs_by_saying_so(
    people: Sequence[SignedIn], client: Client
) -> None:
    _, customer, other = people
    theirs = {"customer": str(other.user.uuid)}

    placed = await shop_samples.placed(customer, **theirs)

    assert UUID(placed["customer"]) == OPPLY_TEST
    body = samples.order_body("SO-1")
    body["customer"] = {**body["customer"], "id": str(other.user.uuid)}
    headers = {**people[0].headers, "Idempotency-Key": "1"}
    response = await client.post("/api/v1/orders", json=body, headers=headers)
    assert "id" not in (await response.json())["customer"]
    assert (await shop_samples.read(other))["count"] == 0

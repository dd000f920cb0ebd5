"""Whose order a reference names, and who did what to it."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner

from orderbus import services
from orderbus.commands.cli import main
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.conftest import settings_from
from tests.support import consumption_rows, samples
from tests.support.api_client import JSON, PATH, Client, body, serving
from tests.support.scenario import consume, go_on

SECRET = "shared"


@pytest.fixture
def settings(env: dict[str, str]) -> Settings:
    """Orders are signed, and everything else takes a key."""
    return settings_from(
        env, auth="required", webhook_secrets=SECRET, processor="random", processing_success_rate=0
    )


@pytest.fixture
async def shop(client: Client, settings: Settings, database: Database) -> Shop:
    return Shop(client, settings, database, "shop")


class Shop:
    """A caller with a key."""

    def __init__(self, client: Client, settings: Settings, database: Database, name: str) -> None:
        self._client, self._name = client, name
        self._settings, self._database = settings, database
        self._key = ""
        self.id = 0

    @property
    def name(self) -> str:
        """How the history names it."""
        return f"key {self.id} {self._name}"

    async def ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Send a request with its key, and read the answer."""
        if not self._key:
            made = await services.api_keys.create(
                self._database, self._settings, name=self._name, actor="command:ann"
            )
            self.id, self._key = made.id, made.key
        headers = {"X-API-Key": self._key, "Idempotency-Key": str(uuid4())}
        response = await self._client.request(method, path, headers=headers, **options)
        assert response.status < 300, await response.text()
        answer: dict[str, Any] = await response.json()
        return answer

    async def actors(self, id_or_ref: str) -> list[tuple[str, str]]:
        """Read who did what to an order."""
        told = (await self.ask("GET", f"/orders/{id_or_ref}/history"))["history"]
        return [(event["type"], event["actor"]) for event in told]


async def signed(client: Client, reference: str) -> None:
    """Place an order as the upstream system does."""
    data = body(reference)
    signature = hmac.new(SECRET.encode(), data, hashlib.sha256).hexdigest()
    response = await client.post(
        PATH, data=data, headers={**JSON, "X-Webhook-Signature": signature}
    )
    assert response.status == 201


async def test_no_order_made_by_key_hides_the_signed_one_of_the_same_reference(
    client: Client, shop: Shop
) -> None:
    await signed(client, "SO-1")
    other = await shop.ask("POST", "/api/v1/orders", json=samples.order_body("SO-1", total=1))

    found = await shop.ask("GET", "/orders/SO-1")
    cancelled = await shop.ask("POST", "/orders/SO-1/cancel")

    assert (found["source"], cancelled["source"]) == ("webhook", "webhook")
    assert (await shop.ask("GET", f"/orders/{other['id']}"))["status"] == "created"
    listed = await shop.ask("GET", "/api/v1/orders?external_ref=SO-1")
    assert {each["source"] for each in listed["items"]} == {"webhook", "api"}


async def test_a_signed_order_that_comes_second_is_found_all_the_same(
    client: Client, shop: Shop
) -> None:
    await shop.ask("POST", "/api/v1/orders", json=samples.order_body("SO-1"))
    await signed(client, "SO-1")

    assert (await shop.ask("GET", "/api/v1/orders/SO-1"))["source"] == "webhook"


async def test_no_order_made_by_key_hides_that_of_a_cart(
    shop: Shop, database: Database, settings: Settings
) -> None:
    cart = (await shop.ask("POST", "/carts", json={"total_amount": 5}))["cart_uuid"]
    await shop.ask("PUT", f"/carts/{cart}/checkout")
    await go_on(database, settings)
    await shop.ask("POST", "/api/v1/orders", json=samples.order_body(cart))

    assert (await shop.ask("GET", f"/orders/{cart}"))["source"] == "cart"


async def test_a_signed_order_was_created_by_its_upstream(client: Client, shop: Shop) -> None:
    await signed(client, "SO-1")

    assert await shop.actors("SO-1") == [("order.created", "webhook")]


async def test_the_key_that_created_an_order_or_cancelled_it_is_in_the_history(shop: Shop) -> None:
    order = await shop.ask("POST", "/api/v1/orders", json=samples.order_body("SO-1"))
    by_references = {
        "user_id": "u",
        "products": [{"product_id": "p", "quantity": 1}],
        "amount": "1",
    }
    new = await shop.ask("POST", "/api/v1/orders/new/", json=by_references)
    await shop.ask("POST", f"/orders/{order['id']}/cancel")

    assert await shop.actors(order["id"]) == [
        ("order.created", shop.name),
        ("order.cancelled", shop.name),
    ]
    assert await shop.actors(new["id"]) == [("order.created", shop.name)]


async def test_the_key_that_checked_out_a_cart_is_in_the_history_of_its_order(
    shop: Shop, database: Database, settings: Settings
) -> None:
    cart = (await shop.ask("POST", "/carts", json={"total_amount": 5}))["cart_uuid"]
    await shop.ask("PUT", f"/carts/{cart}/checkout")

    await go_on(database, settings)

    assert (await shop.actors(cart))[0] == ("order.created", shop.name)


async def test_the_key_that_asked_for_another_try_is_in_the_history(
    client: Client, shop: Shop, database: Database, settings: Settings
) -> None:
    await signed(client, "SO-1")
    await go_on(database, settings)
    await shop.ask("POST", "/orders/SO-1/retry")
    assert len(await consumption_rows.pending(database, "process_order")) == 1
    await consume(database, settings, "process_order")

    begun = [
        actor for event, actor in await shop.actors("SO-1") if event == "order.processing_started"
    ]
    assert begun == ["process_order", f"process_order for {shop.name}"]


async def test_who_comes_from_this_machine_without_a_key_is_named_as_before(
    env: dict[str, str], database: Database
) -> None:
    async with serving(settings_from(env)) as client:
        shop = Shop(client, settings_from(env), database, "shop")
        response = await client.post(
            "/api/v1/orders", json=samples.order_body("SO-1"), headers={"Idempotency-Key": "k"}
        )
        assert response.status == 201

        assert await shop.actors("SO-1") == [("order.created", "api")]


def test_a_key_is_offered_for_what_it_may_do() -> None:
    words = " ".join(CliRunner().invoke(main, ["keys", "create", "--help"]).output.split())

    assert "default: orders:read, orders:write, endpoints:write, admin" in words

"""Of a customer who is erased orders say nothing any more, and whoever was told hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

import pytest

from orderbus import services
from orderbus.domain.shop_orders import ShopLine
from orderbus.services.order_moves import Asked
from orderbus.services.shop_changes import ToChange
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.conftest import settings_from
from tests.support import event_rows, order_rows, scenario, shop_samples
from tests.support.api_client import Client
from tests.support.identity import SignedIn
from tests.support.shop_samples import GUITAR, OPPLY_TEST
from tests.support.waiting import PATIENCE

MANY = 101


@pytest.fixture
def settings(env: dict[str, str]) -> Settings:
    return settings_from(env, auth="required", webhook_secrets="shared")


@pytest.fixture
async def people(client: Client, database: Database, settings: Settings) -> Sequence[SignedIn]:
    """The owner of a shop, and a customer."""
    return await shop_samples.open_shop(client, database, settings)


async def test_what_orders_say_of_who_is_erased_is_gone_from_all_of_them(
    people: Sequence[SignedIn], database: Database
) -> None:
    owner, customer = people
    first, removed, empty = [await shop_samples.placed(customer) for _ in range(3)]
    others = await shop_samples.placed(owner)
    for order in (first, removed, others):
        change = {"shipping_address": "5 New St", "metadata": {"note": "for Jane"}}
        path = f"/orders/{order['public_id']}"
        headers = {**owner.headers, "If-Match": "*"}
        assert (await owner.client.patch(path, json=change, headers=headers)).status == 200
    await customer.ask("DELETE", f"{shop_samples.ORDERS}{removed['id']}/")
    told = await event_rows.count(database)

    erased = await customer.ask("POST", f"customers/{customer.user.id}/erase/")

    assert erased.status == 200
    for order in (first, removed):
        kept = await shop_samples.read(owner, f"/orders/{order['public_id']}")
        assert (kept["shipping_address"], kept["metadata"]) == ("", {})
        assert kept["customer"] == {"name": "", "email": "", "id": str(OPPLY_TEST)}
        last = (await shop_samples.read(owner, f"/orders/{order['public_id']}/history"))["history"]
        assert (last[-1]["type"], last[-1]["details"]) == (
            "order.changed",
            {"changed": ["metadata", "shipping_address"], "reason": "the customer was erased"},
        )
    assert await event_rows.count(database) == told + 2  # nothing is said of what said nothing
    newest = await shop_samples.read(owner, f"/orders/{empty['public_id']}")
    assert newest["sequence"] == 4
    stays = await shop_samples.read(owner, f"/orders/{others['public_id']}")
    assert stays["shipping_address"] == "5 New St"


async def test_many_orders_of_one_customer_are_dealt_with_step_by_step(
    people: Sequence[SignedIn], database: Database
) -> None:
    _, customer = people
    await order_rows.add_personal(database, OPPLY_TEST, MANY)

    assert (await customer.ask("POST", f"customers/{customer.user.id}/erase/")).status == 200

    assert await order_rows.count_personal(database) == 0
    assert await event_rows.count(database) == MANY


async def test_what_is_told_of_who_is_erased_is_the_order_as_it_is_by_then(
    people: Sequence[SignedIn], database: Database
) -> None:
    owner, customer = people
    order = await shop_samples.placed(customer)
    headers = {**owner.headers, "If-Match": "*"}
    path, change = f"/orders/{order['public_id']}", {"shipping_address": "5 New St"}
    assert (await owner.client.patch(path, json=change, headers=headers)).status == 200
    lines = [ShopLine(UUID(GUITAR), 7, Decimal(9))]
    wanted = ToChange(lines=lines, total=Decimal(63), status=None, trusts_prices=True)

    async with database.transaction() as connection:
        await services.shop_changes.change(connection, order["id"], Asked(actor="test"), wanted)
        erasing = asyncio.ensure_future(
            customer.ask("POST", f"customers/{customer.user.id}/erase/")
        )
        async with asyncio.timeout(PATIENCE):
            while not await scenario.count_who_wait(database):
                await asyncio.sleep(0.01)

    assert (await erasing).status == 200
    told = (await event_rows.contents(database, "order.changed"))[-1]
    assert (told["shipping_address"], told["items"][0]["quantity"]) == ("", 7)

"""An order of the shop is completed with all of its stock when it is answered, or there is none."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from orderbus import services, storage
from orderbus.domain.rights import Scope
from orderbus.domain.shop_orders import ShopLine
from orderbus.settings import Settings
from orderbus.storage.database import Connection, Database
from tests.conftest import settings_from
from tests.support import (
    event_rows,
    order_rows,
    scenario,
    shop_samples,
    statements,
    stock_rows,
)
from tests.support.api_client import Client, serving
from tests.support.identity import SignedIn
from tests.support.shop_samples import GUITAR, NOWHERE, OPPLY, OPPLY_TEST, ORDERS, line, order

BUYERS = 24


@pytest.fixture
def settings(env: dict[str, str]) -> Settings:
    return settings_from(env, auth="required", webhook_secrets="shared")


@pytest.fixture
async def people(client: Client, database: Database, settings: Settings) -> Sequence[SignedIn]:
    """The owner of a shop, and a customer."""
    return await shop_samples.open_shop(client, database, settings)


@pytest.fixture
def customer(people: Sequence[SignedIn]) -> SignedIn:
    return people[1]


async def key_with(database: Database, settings: Settings, *scopes: Scope) -> dict[str, str]:
    made = await services.api_keys.create(database, settings, name="x", actor="test", scopes=scopes)
    return {"X-API-Key": made.key}


async def of_which(database: Database, units: int) -> str:
    """Add a product of which there are so many; returns its uuid."""
    product = await stock_rows.add(database, units)
    return str((await database.ask(storage.products.show, product)).uuid)


async def test_of_ten_units_24_buyers_at_once_get_exactly_ten(
    customer: SignedIn, database: Database
) -> None:
    product = await of_which(database, 10)
    body = order(line(product, 1), total=5)

    answers = await asyncio.gather(*(customer.ask("POST", ORDERS, body) for _ in range(BUYERS)))

    assert Counter(answer.status for answer in answers) == {201: 10, 400: BUYERS - 10}
    assert await order_rows.statuses(database) == ["completed"] * 10
    assert await stock_rows.differences(database) == []
    assert (await shop_samples.read(customer))["count"] == 10


async def test_baskets_in_any_order_never_wait_in_a_circle(
    customer: SignedIn, database: Database
) -> None:
    products = [await of_which(database, 60) for _ in range(3)]
    chance = random.Random(7)  # noqa: S311 - no secret
    samples = [chance.sample(products, 2) for _ in range(BUYERS)]
    baskets = [order(*(line(each, 1) for each in sample)) for sample in samples]

    answers = await asyncio.gather(*(customer.ask("POST", ORDERS, body) for body in baskets))

    assert {answer.status for answer in answers} == {201}
    assert await stock_rows.differences(database) == []


async def test_the_refusal_names_every_product_that_is_short_and_nothing_happened(
    customer: SignedIn, database: Database
) -> None:
    few = await of_which(database, 1)
    before = await stock_rows.movements(database)
    body = order(line(GUITAR, 50), line(few, 2), line(GUITAR, 3))

    response = await customer.ask("POST", ORDERS, body)

    refusal = await response.json()
    skus = {each["sku"]: (each["wanted"], each["available"]) for each in refusal["short"]}
    assert response.status == 400
    assert (skus.pop("GUITAR-1"), [*skus.values()]) == ((53, 52), [(2, 1)])
    assert "GUITAR-1 (53 wanted, 52 left)" in refusal["error"]
    assert next(iter(skus)) in refusal["error"]
    assert await order_rows.count(database) == 0
    assert await event_rows.count(database) == 0
    assert await stock_rows.movements(database) == before


async def test_what_is_no_product_or_is_sold_no_more_is_not_found(
    customer: SignedIn, database: Database
) -> None:
    await stock_rows.withdraw(database, 1)

    for product in (NOWHERE, GUITAR):
        response = await customer.ask("POST", ORDERS, order(line(product)))
        assert response.status == 400
        named = f"{product} (3 wanted, 0 left)"
        assert (await response.json())["error"] == f"Product not found: {named}"
    assert await order_rows.count(database) == 0


async def test_it_moves_as_any_order_does_and_no_worker_processes_it_again(
    people: Sequence[SignedIn], database: Database, settings: Settings
) -> None:
    _, customer = people
    placed = await shop_samples.placed(customer)
    always = settings.model_copy(update={"processor": "always"})

    await scenario.go_on(database, always)

    assert await order_rows.history_types(database) == [
        *("order.created", "order.processing_started"),
        *("order.completed", "order.processed"),
    ]
    assert await event_rows.numbers(database) == [[1, 2, 3, 4]]
    processed = await event_rows.content(database, "order.processed")
    assert processed["processing"]["amount"] == "1000.00"
    assert (processed["customer"]["id"], processed["status"]) == (str(OPPLY_TEST), "completed")
    assert processed["items"][0]["product"] == GUITAR
    created = await event_rows.content(database, "order.created")
    assert created["allocated"] == [{"sku": "GUITAR-1", "quantity": 1}]
    processing = await order_rows.processing(database)
    assert (processing["status"], processing["began_with"], processing["attempts"]) == (
        *("SUCCESS", 2),
        1,
    )
    shown = await shop_samples.read(people[0], f"/api/v1/orders/{placed['public_id']}")
    assert (shown["source"], shown["status"], shown["sequence"]) == ("catalog", "completed", 4)


async def test_if_it_cannot_be_completed_there_is_no_order_and_all_stock_is_there(
    customer: SignedIn, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_connection: Connection, _finished: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(storage.processing, "finish", fail)
    response = await customer.ask("POST", ORDERS, order())

    assert response.status == 500
    assert await order_rows.count(database) == 0
    assert await shop_samples.available(customer.client) == 52
    assert await stock_rows.differences(database) == []


async def test_it_costs_seven_statements_in_one_transaction(
    database: Database, settings: Settings, people: Sequence[SignedIn]
) -> None:
    wanted = services.shop_orders.ToPlace(
        customer=OPPLY,
        lines=[ShopLine(UUID(GUITAR), 1, shop_samples.PRICE)],
        total=shop_samples.PRICE,
        takes_stock=True,
        trusts_prices=True,
        actor="test",
        traceparent=None,
    )

    async def place() -> None:
        async with database.transaction() as connection:
            await services.shop_orders.place(connection, wanted)

    await place()
    with statements.recorded() as sent:
        await place()

    assert len(sent) == 2 + 7


async def test_who_imports_orders_takes_no_stock_and_nobody_else_leaves_it_out(
    people: Sequence[SignedIn], database: Database, settings: Settings
) -> None:
    owner, customer = people
    writes = await key_with(database, settings, Scope.ORDERS_WRITE)
    imports = await key_with(database, settings, Scope.ORDERS_WRITE, Scope.ORDERS_IMPORT)
    completed = order(line(GUITAR, 1), status="completed")

    left = []
    for headers in (owner.headers, imports, writes, customer.headers):
        response = await owner.client.post(ORDERS, json=completed, headers=headers)
        assert response.status == 201, await response.text()
        assert (await response.json())["status"] == "completed"
        left.append((await stock_rows.level(database, 1)).available)

    assert left == [52, 52, 51, 50]
    for headers in (writes, customer.headers):
        body = order(line(NOWHERE), status="completed")
        response = await owner.client.post(ORDERS, json=body, headers=headers)
        assert response.status == 400
    alone = await key_with(database, settings, Scope.ORDERS_IMPORT)
    assert (await owner.client.post(ORDERS, json=completed, headers=alone)).status == 403


async def test_staff_and_keys_say_whose_an_order_is(
    people: Sequence[SignedIn], database: Database, settings: Settings
) -> None:
    owner, customer = people
    key = await key_with(database, settings, Scope.ORDERS_WRITE)
    named = order(line(quantity=1), customer=str(OPPLY_TEST))

    for headers in (owner.headers, key):
        response = await owner.client.post(ORDERS, json=named, headers=headers)
        assert (await response.json())["customer"] == str(OPPLY_TEST)
    nobodys = await owner.client.post(ORDERS, json=order(line(quantity=1)), headers=key)

    assert (await nobodys.json())["customer"] is None
    assert (await shop_samples.read(customer))["count"] == 2
    assert (await shop_samples.read(owner))["count"] == 3


async def test_another_price_than_the_catalogues_is_noted(
    customer: SignedIn, database: Database
) -> None:
    for price in (1000, "100.00"):
        await customer.ask("POST", ORDERS, order(line(price=price), total=300))

    noted = [each for each in await order_rows.details(database) if "from" not in each]
    assert [each for each in noted if each] == [
        {"items_total": "3000.00", "catalogue_prices": {"GUITAR-1": "100.00"}}
    ]


@pytest.fixture
async def strict(settings: Settings) -> AsyncIterator[Client]:
    """A front door that sells at the catalogue's prices alone."""
    async with serving(settings.model_copy(update={"price_policy": "strict"})) as client:
        yield client


async def test_a_strict_shop_sells_at_the_catalogues_prices_alone(
    strict: Client, customer: SignedIn, database: Database
) -> None:
    async def post(price: int, total: int) -> aiohttp.ClientResponse:
        body = order(line(price=price), total=total)
        return await strict.post(ORDERS, json=body, headers=customer.headers)

    dear, wrong, right = await post(99, 297), await post(100, 297), await post(100, 300)

    assert (dear.status, await dear.json()) == (
        400,
        {"order_items": [{"price": ["The catalogue has 100.00."]}]},
    )
    assert (wrong.status, await wrong.json()) == (400, {"total": ["The items come to 300.00."]})
    assert right.status == 201
    number = (await right.json())["id"]
    cheaper = {"order_items": [line(price=1)], "total": 3}
    response = await strict.patch(f"{ORDERS}{number}/", json=cheaper, headers=customer.headers)
    assert (response.status, await response.json()) == (400, await dear.json())

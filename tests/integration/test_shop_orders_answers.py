"""Orders of the shop are refused, listed and answered again as its clients know it."""

from __future__ import annotations

from typing import Any

import pytest

from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.conftest import settings_from
from tests.support import order_rows, shop_samples, stock_rows
from tests.support.api_client import Client
from tests.support.identity import SignedIn
from tests.support.shop_samples import GUITAR, ORDERS, line, order


@pytest.fixture
def settings(env: dict[str, str]) -> Settings:
    return settings_from(env, auth="required", webhook_secrets="shared")


@pytest.fixture
async def customer(client: Client, database: Database, settings: Settings) -> SignedIn:
    _, customer = await shop_samples.open_shop(client, database, settings)
    return customer


REQUIRED = ["This field is required."]


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({}, {"order_items": REQUIRED, "total": REQUIRED}),
        (
            order(line(), {}, total="much"),
            {
                "order_items": [{}, {"product": REQUIRED, "price": REQUIRED}],
                "total": ["A valid number is required."],
            },
        ),
        (
            order(line("x", "two", "1.001")),
            {
                "order_items": [
                    {
                        "product": ["Must be a valid UUID."],
                        "quantity": ["A valid integer is required."],
                        "price": ["Ensure that there are no more than 2 decimal places."],
                    }
                ]
            },
        ),
        (order(total=0), {"non_field_errors": ["Total should be greater than 0"]}),
        (
            order(line(quantity=0)),
            {"non_field_errors": ["Order item quantity should be greater than 0"]},
        ),
        (
            order(status="processing"),
            {"non_field_errors": ["Status should be 'new' or 'completed'"]},
        ),
        (order(status="lost"), {"status": ['"lost" is not a valid choice.']}),
        (
            order(line(quantity=True)),
            {"order_items": [{"quantity": ["A valid integer is required."]}]},
        ),
        (order(customer="me"), {"customer": ["Must be a valid UUID."]}),
    ],
)
async def test_what_is_wrong_is_said_by_field_as_the_shop_says_it(
    customer: SignedIn, body: Any, refusal: Any
) -> None:
    response = await customer.ask("POST", ORDERS, body)

    assert (response.status, await response.json()) == (400, refusal)


async def test_an_item_of_which_nothing_is_said_is_one_and_an_order_may_have_none(
    customer: SignedIn, database: Database
) -> None:
    one = await customer.ask("POST", ORDERS, order({"product": GUITAR, "price": "5"}, total="5"))
    none = await customer.ask("POST", ORDERS, {"order_items": [], "total": 5})

    assert [item["quantity"] for item in (await one.json())["order_items"]] == [1]
    assert (none.status, (await none.json())["order_items"]) == (201, [])
    assert (await stock_rows.level(database, 1)).available == 51


async def test_pages_have_ten_orders_and_lead_to_one_another(customer: SignedIn) -> None:
    numbers = [(await shop_samples.placed(customer))["id"] for _ in range(12)]

    first = await shop_samples.read(customer)
    second = await shop_samples.read(customer, first["next"][first["next"].index("/api") :])

    assert first["next"] == str(customer.client.make_url(f"{ORDERS}?limit=10&offset=10"))
    assert second["previous"] == str(customer.client.make_url(f"{ORDERS}?limit=10"))
    assert (first["count"], second["count"], second["next"]) == (12, 12, None)
    assert [each["id"] for each in (*first["results"], *second["results"])] == numbers
    beyond = await shop_samples.read(customer, f"{ORDERS}?offset=99")
    assert (beyond["results"], beyond["count"]) == ([], 12)


async def test_an_order_that_is_sent_again_under_its_key_is_answered_again(
    customer: SignedIn, database: Database
) -> None:
    headers = {**customer.headers, "Idempotency-Key": "once"}
    answers = [await customer.client.post(ORDERS, json=order(), headers=headers) for _ in range(2)]

    assert {(answer.status, await answer.text()) for answer in answers} == {
        (201, await answers[0].text())
    }
    assert await order_rows.count(database) == 1

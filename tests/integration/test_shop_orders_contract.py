"""What the original shop's tests ask of orders, over HTTP and under their names."""

from __future__ import annotations

import pytest

from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.conftest import settings_from
from tests.support import shop_samples
from tests.support.api_client import Client
from tests.support.identity import SignedIn
from tests.support.shop_samples import GUITAR, NOWHERE, OPPLY, ORDERS, line, order

#: The two orders of the original's data.
FIXTURES = (("2000.00", ((GUITAR, 10, 100), (NOWHERE, 5, 200))), ("5400.00", ((NOWHERE, 18, 300),)))


@pytest.fixture
def settings(env: dict[str, str]) -> Settings:
    return settings_from(env, auth="required", webhook_secrets="shared")


@pytest.fixture
async def opply(client: Client, database: Database, settings: Settings) -> SignedIn:
    """The original let everybody leave stock out; here it takes somebody who may."""
    opply, _ = await shop_samples.open_shop(client, database, settings)
    for total, lines in FIXTURES:
        body = order(*(line(*each) for each in lines), total=total, status="completed")
        response = await opply.ask("POST", ORDERS, body)
        assert response.status == 201, await response.text()
    return opply


async def test_get_orders(opply: SignedIn) -> None:
    page = await shop_samples.read(opply)

    assert (page["count"], page["next"], page["previous"]) == (2, None, None)
    assert len(page["results"]) == 2
    first = page["results"][0]
    assert (first["customer"], first["total"], first["status"]) == (
        str(OPPLY),
        "2000.00",
        "completed",
    )


async def test_get_order(opply: SignedIn) -> None:
    page = await shop_samples.read(opply)
    number = page["results"][0]["id"]

    shown = await shop_samples.read(opply, f"{ORDERS}{number}/")

    items = shown.pop("order_items")
    assert shown == {
        "id": number,
        "customer": str(OPPLY),
        "total": "2000.00",
        "status": "completed",
        "url": str(opply.client.make_url(f"{ORDERS}{number}/")),
        "public_id": page["results"][0]["public_id"],
    }
    assert [(item["product"], item["quantity"], item["price"]) for item in items] == [
        (GUITAR, 10, "100.00"),
        (NOWHERE, 5, "200.00"),
    ]
    others = page["results"][1]["order_items"]
    assert len({item["id"] for item in (*items, *others)}) == 3


async def test_create_order_without_update_inventory(opply: SignedIn) -> None:
    body = order(line(NOWHERE), status="completed")

    response = await opply.ask("POST", ORDERS, body)

    assert response.status == 201
    placed = await response.json()
    assert (placed["customer"], placed["total"]) == (str(OPPLY), "3000.00")
    assert placed["order_items"][0]["product"] == NOWHERE
    assert placed["status"] == "completed"


async def test_create_order_with_update_inventory(opply: SignedIn) -> None:
    assert await shop_samples.available(opply.client) == 52

    response = await opply.ask("POST", ORDERS, order(line(GUITAR)))

    assert response.status == 201
    placed = await response.json()
    assert (placed["customer"], placed["total"]) == (str(OPPLY), "3000.00")
    assert placed["order_items"][0]["product"] == GUITAR
    assert placed["status"] == "completed"
    assert response.headers["Location"] == placed["url"]
    assert await shop_samples.available(opply.client) == 49

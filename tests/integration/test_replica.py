"""Reads go to a streaming replica where that shows nobody less than they know."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from tests.conftest import settings_from
from tests.support import shop_samples, statements
from tests.support.api_client import placed, serving
from tests.support.described import operations
from tests.support.replica_reads import (
    TOKEN,
    Counted,
    does_without,
    read,
    reading,
    ready,
    write,
)
from tests.support.replicated import Pair
from tests.support.waiting import until_here, until_true

pytestmark = pytest.mark.once

#: Each path that says it reads so.
READ = (
    *("/orders/{order}", "/orders/{order}/history", "/orders/{order}/journey", "/orders"),
    *(f"/api/v1/orders/{{order}}{view}" for view in ("", "/history", "/journey", "/status")),
    *("/api/v1/orders", "/api/catalog/products", "/api/catalog/products/{product}"),
    *(f"/api/orders/orders{path}" for path in ("", "/{shop_order}", "/{shop_order}/history")),
    *("/api/catalog/categories", "/api/catalog/inventory/{product}/movements"),
)


def described() -> set[str]:
    """Every path whose description says that it takes what shows a change."""
    return {
        path.replace("{order}", "{shop_order}").replace("{id}", "{order}")
        for (_, path), operation in operations().items()
        if any(each["name"] == TOKEN for each in operation["parameters"])
    }


async def test_whoever_shows_what_a_write_answered_sees_it_however_late_the_replica_is(
    pair: Pair,
) -> None:
    async with reading(pair) as client:
        order = (await placed(client))["id"]
        pair.delay("700ms")
        seen, without = [], []
        counted = Counted()
        for number in range(20):
            token = await write(client, order, number)
            without.append(await read(client, order))
            seen.append((await read(client, order, token))["metadata"])

    assert seen == [{"number": str(number)} for number in range(20)]
    assert counted["replica"] >= 20  # each that shows nothing
    assert any(each.get("metadata") != shown for each, shown in zip(without, seen, strict=True))


async def test_a_read_that_shows_what_the_replica_has_is_answered_by_the_replica(
    pair: Pair,
) -> None:
    async with reading(pair) as client:
        order = (await placed(client))["id"]
        token = await write(client, order, 1)
        await asyncio.to_thread(pair.until_caught_up)
        counted = Counted()

        shown = await read(client, order, token)

    assert shown["metadata"] == {"number": "1"}
    assert (counted["replica"], counted["primary"]) == (1, 0)


async def test_what_the_replica_does_not_find_yet_is_found_at_the_primary(pair: Pair) -> None:
    async with reading(pair) as client:
        pair.delay("1h")
        order = (await placed(client))["id"]
        counted = Counted()

        await read(client, order)

    assert (counted["replica"], counted["primary"]) == (0, 1)


async def test_a_replica_that_is_too_far_behind_answers_nothing(pair: Pair) -> None:
    async with reading(pair, replica_max_lag=timedelta(seconds=0.5)) as client:
        pair.delay("1h")
        order = (await placed(client))["id"]

        await until_true(lambda: does_without(client), "the replica is taken to be behind")
        counted = Counted()
        await read(client, order)
        said = await ready(client)

    assert (counted["replica"], counted["primary"]) == (0, 1)
    assert said["replica_lag"] > 0.5
    assert "The replica" in said["detail"]


#: None that we gave, some from the future.
HOSTILE = (
    *("", "0", "-1", "nonsense", "0" * 17, "0" * 5_000, "7" + "f" * 15, "f" * 16, "8" + "0" * 15),
    *("00000000 00000000", "0000000001A2B3C4'", "0" * 16 + ", " + "0" * 16, "\u0660" * 16),
)


async def test_a_token_that_is_none_or_from_the_future_is_answered_by_the_primary(
    pair: Pair,
) -> None:
    async with reading(pair) as client:
        order = (await placed(client))["id"]
        counted = Counted()

        for token in HOSTILE:
            await read(client, order, token)

    assert (counted["replica"], counted["primary"]) == (0, len(HOSTILE))


async def test_every_read_of_the_shop_and_of_orders_can_be_answered_by_the_replica(
    pair: Pair,
) -> None:
    async with reading(pair) as client:
        order = (await placed(client))["id"]
        product = await client.post(
            "/api/catalog/products/", json={"name": "Tea", "price": "1.00", "description": "x"}
        )
        number = (await product.json())["id"]
        uuid = (await product.json())["public_id"]
        wanted = shop_samples.order(shop_samples.line(uuid, price="1.00"), total=3)
        imported = await client.post(shop_samples.ORDERS, json={**wanted, "status": "completed"})
        named = {"order": order, "product": number, "shop_order": (await imported.json())["id"]}
        await asyncio.to_thread(pair.until_caught_up)
        wrong = []
        for path in READ:
            counted = Counted()
            response = await client.get(path.format(**named))
            await response.read()
            if response.status != 200 or counted["primary"] or not counted["replica"]:
                wrong.append((path, response.status, await response.text()))

    assert wrong == []
    assert {*READ} == described()


async def test_without_a_replica_nothing_is_asked_answered_or_counted_beside(
    pair: Pair,
) -> None:
    settings = settings_from(pair.primary.env, product_cache_ttl=timedelta(0))
    with statements.recorded() as sent:
        async with serving(settings) as client:
            response = await client.post("/carts", json={"total_amount": "1"})
            await until_here(lambda: sent, "the cart is stored")
            said = await (await client.get("/readyz")).json()
    assert TOKEN not in response.headers
    assert [each for each in sent if "wal" in each] == []
    assert "replica" not in said["parts"]
    assert "replica_lag" not in said

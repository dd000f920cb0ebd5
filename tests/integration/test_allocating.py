"""An order that names products has its stock with it, all of it, or there is no such order."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from orderbus import services, storage
from orderbus.services.order_moves import Asked, Leaving
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.support import event_rows, order_rows, samples, scenario, statements, stock_rows
from tests.support.api_client import PATH, Client, problem, serving

BUYERS = 200


@pytest.fixture
async def allocating(settings: Settings) -> AsyncIterator[Client]:
    """A front door that allocates what known products an order names."""
    changed = settings.model_copy(update={"webhook_allocate": True, "db_pool_size": 20})
    async with serving(changed) as client:
        yield client


def order(reference: str, **quantities: int) -> dict[str, Any]:
    lines = [
        {"sku": sku, "name": sku.title(), "quantity": quantity, "unit_price": 1}
        for sku, quantity in quantities.items()
    ]
    return samples.order_body(reference, items=lines)


async def send(client: Client, reference: str, **quantities: int) -> int:
    response = await client.post(PATH, json=order(reference, **quantities))
    await response.read()
    return response.status


async def counters(database: Database, product: int) -> tuple[int, int]:
    level = await stock_rows.level(database, product)
    return level.allocated, level.available


async def test_two_hundred_buyers_of_ten_units_get_exactly_ten(
    allocating: Client, database: Database
) -> None:
    tea = await stock_rows.add(database, 10, sku="tea")

    statuses = await asyncio.gather(*(send(allocating, f"SO-{n}", tea=1) for n in range(BUYERS)))

    assert Counter(statuses) == {201: 10, 409: BUYERS - 10}
    assert await counters(database, tea) == (10, 0)
    assert await order_rows.count(database) == 10
    assert await stock_rows.differences(database) == []


async def test_an_order_that_does_not_fit_keeps_none_from_stock_that_others_could_have(
    allocating: Client, database: Database
) -> None:
    """In one batch the large ones come first by their references, and are refused."""
    tea = await stock_rows.add(database, 10, sku="tea")
    large = [send(allocating, f"A-{n}", tea=11) for n in range(5)]
    small = [send(allocating, f"B-{n}", tea=1) for n in range(10)]

    statuses = await asyncio.gather(*large, *small)

    assert statuses == [409] * 5 + [201] * 10
    assert await counters(database, tea) == (10, 0)


async def test_baskets_in_any_order_never_wait_in_a_circle(
    allocating: Client, database: Database
) -> None:
    products = [await stock_rows.add(database, 500, sku=sku) for sku in ("a", "b", "c")]
    chance = random.Random(7)  # noqa: S311 - no secret
    baskets = [dict.fromkeys(chance.sample(["a", "b", "c"], 2), 1) for _ in range(120)]

    statuses = await asyncio.gather(
        *(send(allocating, f"SO-{n}", **basket) for n, basket in enumerate(baskets))
    )

    assert set(statuses) == {201}
    assert sum([(await counters(database, product))[0] for product in products]) == 240
    assert await stock_rows.differences(database) == []


async def test_the_refusal_lists_every_short_line_and_nothing_is_stored(
    allocating: Client, database: Database
) -> None:
    for sku, on_hand in (("plenty", 9), ("few", 2), ("none", 0)):
        await stock_rows.add(database, on_hand, sku=sku)

    body = order("SO-1", plenty=3, few=3, none=3, unknown=3)
    response = await allocating.post(PATH, json=body)

    said = await problem(response, 409, "out-of-stock")
    assert said["short"] == [
        {"sku": "few", "wanted": 3, "available": 2},
        {"sku": "none", "wanted": 3, "available": 0},
    ]
    assert await order_rows.count(database) == 0
    assert await stock_rows.differences(database) == []


async def test_an_order_that_is_sent_again_is_known_although_all_is_sold(
    allocating: Client, database: Database
) -> None:
    tea = await stock_rows.add(database, 2, sku="tea")

    statuses = [await send(allocating, "SO-1", tea=2) for _ in range(3)]

    assert statuses == [201, 200, 200]
    assert await counters(database, tea) == (2, 0)


async def test_what_is_allocated_is_said_by_the_event_and_by_the_movements(
    allocating: Client, database: Database
) -> None:
    tea = await stock_rows.add(database, 5, sku="tea")

    await send(allocating, "SO-1", tea=2, unknown=1)

    created = await event_rows.content(database, "order.created")
    assert created["allocated"] == [{"sku": "tea", "quantity": 2}]
    (moved, _) = await database.ask(storage.stock_views.list_movements, tea, at_most=9)
    assert (moved.kind, moved.allocated, moved.actor) == ("allocated", 2, "webhook")
    assert moved.order_id is not None


async def test_what_is_unknown_or_sold_no_more_is_ordered_as_before(
    allocating: Client, database: Database
) -> None:
    tea = await stock_rows.add(database, 5, sku="tea")
    await database.ask(storage.products.deactivate, tea, seen=None)

    assert await send(allocating, "SO-1", tea=9, unknown=1) == 201
    assert await counters(database, tea) == (0, 5)
    created = await event_rows.content(database, "order.created")
    assert "allocated" not in created


async def test_unless_the_setting_says_so_no_stock_is_taken(
    client: Client, database: Database
) -> None:
    tea = await stock_rows.add(database, 5, sku="tea")

    assert await send(client, "SO-1", tea=9) == 201
    assert await counters(database, tea) == (0, 5)


@pytest.fixture
def sent(database: Database) -> Iterator[list[str]]:
    with statements.recorded() as sent:
        yield sent


async def test_orders_of_what_is_not_known_cost_one_look_more_and_the_same_statement(
    database: Database, sent: list[str]
) -> None:
    plain = services.orders.Accepting(database)
    allocating = services.orders.Accepting(database, allocates=True)
    for accepting in (plain, allocating):
        await accepting.accept(samples.order(), traceparent=None)
    sent.clear()

    await plain.accept(samples.order(), traceparent=None)
    await allocating.accept(samples.order(), traceparent=None)

    assert len(sent) == 3
    assert sent[0] == sent[2]


async def test_a_cancelled_order_gives_back_what_it_had_and_only_once(
    allocating: Client, database: Database
) -> None:
    tea = await stock_rows.add(database, 5, sku="tea")
    await send(allocating, "SO-1", tea=2)
    asked = Asked(actor="test")

    async def cancel_in_vain() -> None:
        async with database.transaction() as connection:
            await services.order_moves.cancel(connection, "SO-1", asked)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await cancel_in_vain()
    assert await counters(database, tea) == (2, 3)

    async with database.transaction() as connection:
        await services.order_moves.cancel(connection, "SO-1", asked)

    assert await counters(database, tea) == (0, 5)
    (moved, *_) = await database.ask(storage.stock_views.list_movements, tea, at_most=9)
    assert (moved.kind, moved.allocated, moved.actor) == ("returned", -2, "test")
    assert await stock_rows.differences(database) == []


async def test_orders_that_fail_together_give_back_beside_orders_that_come(
    allocating: Client, database: Database, settings: Settings
) -> None:
    products = [await stock_rows.add(database, 100, sku=sku) for sku in ("a", "b")]
    never = settings.model_copy(update={"processor": "random", "processing_success_rate": 0.0})
    for number in range(10):
        await send(allocating, f"SO-{number}", a=1, b=1)

    coming = (send(allocating, f"LATE-{n}", b=1, a=1) for n in range(20))
    statuses, _ = await asyncio.gather(asyncio.gather(*coming), scenario.go_on(database, never))

    assert set(statuses) == {201}
    failed = (await order_rows.statuses(database)).count("failed")
    assert failed >= 10
    for product in products:
        assert (await counters(database, product))[0] == 30 - failed
    assert await stock_rows.differences(database) == []


async def test_what_is_shipped_leaves_the_house_line_by_line_and_no_more_than_was_allocated(
    allocating: Client, database: Database
) -> None:
    tea = await stock_rows.add(database, 5, sku="tea")
    await send(allocating, "SO-1", tea=3, unknown=1)
    asked, some = Asked(actor="test"), [Leaving(1, 2)]
    for lines in (some, None):
        async with database.transaction() as connection:
            await services.order_moves.ship(connection, "SO-1", asked, lines=lines)

    level = await stock_rows.level(database, tea)
    assert (level.on_hand, level.allocated, level.shipped) == (2, 0, 3)
    moved = await database.ask(storage.stock_views.list_movements, tea, at_most=2)
    assert [(each.kind, each.shipped) for each in moved] == [("shipped", 1), ("shipped", 2)]
    assert await stock_rows.differences(database) == []

"""A cart holds its items in stock for a while, and its order gets what it held."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from orderbus import services, storage
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.support import reservation_rows, scenario, stock_rows
from tests.support.api_client import PROBLEM, Client

SHORT = timedelta(minutes=1)


def counters(level: Any) -> tuple[int, int, int, int]:
    return level.on_hand, level.reserved, level.allocated, level.shipped


async def opened(client: Client, **members: Any) -> str:
    response = await client.post("/carts", json=members or {"total_amount": 0})
    assert response.status == 201, await response.text()
    return str((await response.json())["cart_uuid"])


async def put(client: Client, cart: str, quantity: int, sku: str = "tea") -> Any:
    return await client.put(f"/carts/{cart}/items/{sku}", json={"quantity": quantity})


@pytest.fixture
async def tea(database: Database) -> int:
    """Ten of a product at 5.00."""
    return await stock_rows.add(database, 10, sku="tea")


async def test_what_is_put_into_a_cart_is_held_at_its_price_and_others_cannot_have_it(
    client: Client, database: Database, tea: int
) -> None:
    cart = await opened(client)

    first = await put(client, cart, 7)
    refused = await put(client, await opened(client), 4)

    shown = await first.json()
    assert first.status == 200, shown
    assert shown["total_amount"] == "35.00"
    (line,) = shown["items"]
    assert (line["sku"], line["name"], line["unit_price"]) == ("tea", "Tea", "5.00")
    assert datetime.fromisoformat(line["held_until"]) > datetime.fromisoformat(shown["created_at"])
    said = await refused.json(content_type=PROBLEM)
    assert (refused.status, said["type"]) == (409, "/problems/out-of-stock")
    assert said["short"] == [{"sku": "tea", "wanted": 4, "available": 3}]
    assert said["error"] == said["detail"]
    assert counters(await stock_rows.level(database, tea)) == (10, 7, 0, 0)
    assert await stock_rows.differences(database) == []


async def test_a_quantity_is_what_the_cart_holds_then_however_often_it_is_sent(
    client: Client, database: Database, tea: int
) -> None:
    cart = await opened(client)

    for quantity in (3, 8, 8, 2, 2):
        assert (await put(client, cart, quantity)).status == 200
        assert (await stock_rows.level(database, tea)).reserved == quantity
    emptied = await put(client, cart, 0)
    again = await put(client, cart, 0)

    assert (await emptied.json())["items"] == (await again.json())["items"] == []
    assert (await emptied.json())["total_amount"] == "0.00"
    assert (await stock_rows.level(database, tea)).reserved == 0
    assert await reservation_rows.count(database) == 0
    assert await stock_rows.differences(database) == []


async def test_items_that_a_cart_is_opened_with_are_held_all_or_none(
    client: Client, database: Database, tea: int
) -> None:
    cake = await stock_rows.add(database, 1, sku="cake")
    line = {"name": "A thing", "unit_price": "1.10"}
    items = [{**line, "sku": sku, "quantity": 2} for sku in ("tea", "cake", "unknown")]

    refused = await client.post("/carts", json={"items": items})
    nothing_held = (await stock_rows.level(database, tea)).reserved
    items[1]["quantity"] = 1
    cart = await opened(client, items=items)

    assert (await refused.json(content_type=PROBLEM))["short"] == [
        {"sku": "cake", "wanted": 2, "available": 1}
    ]
    assert (refused.status, nothing_held) == (409, 0)
    shown = await (await client.get(f"/carts/{cart}")).json()
    assert [bool(item["held_until"]) for item in shown["items"]] == [True, True, False]
    assert [item["unit_price"] for item in shown["items"]] == ["1.10"] * 3
    assert (await stock_rows.level(database, cake)).available == 0


async def test_what_was_held_too_long_goes_back_and_is_told_in_the_cart(
    client: Client, database: Database, tea: int
) -> None:
    late, early = await opened(client), await opened(client)
    await put(client, late, 6)
    await reservation_rows.let_time_pass(database)
    await put(client, early, 4)

    await services.carts.let_lapse(database)

    assert counters(await stock_rows.level(database, tea)) == (10, 4, 0, 0)
    (line,) = (await (await client.get(f"/carts/{late}")).json())["items"]
    assert (line["quantity"], line["held_until"]) == (6, None)
    assert await stock_rows.differences(database) == []


async def test_a_change_of_a_cart_holds_all_of_it_longer(
    client: Client, database: Database, tea: int
) -> None:
    await stock_rows.add(database, 1, sku="cake")
    cart = await opened(client)
    await put(client, cart, 6)
    await reservation_rows.let_time_pass(database)

    await put(client, cart, 1, sku="cake")
    await services.carts.let_lapse(database)

    assert (await stock_rows.level(database, tea)).reserved == 6


async def test_the_order_of_a_cart_gets_what_it_held_although_nothing_else_is_left(
    client: Client, database: Database, settings: Settings, tea: int
) -> None:
    cart = await opened(client)
    await put(client, cart, 10)

    assert (await client.put(f"/carts/{cart}/checkout")).status == 200
    await reservation_rows.let_time_pass(database)
    await services.carts.let_lapse(database)
    closed = counters(await stock_rows.level(database, tea))
    await scenario.go_on(database, settings)

    order = await (await client.get(f"/orders/{cart}")).json()
    assert (order["total"], order["items"][0]["quantity"]) == ("50.00", 10)
    assert closed == (10, 10, 0, 0)
    assert counters(await stock_rows.level(database, tea)) == (10, 0, 10, 0)
    assert await reservation_rows.count(database) == 0
    assert await stock_rows.differences(database) == []


async def test_a_cart_whose_items_lapsed_is_closed_where_they_are_still_there(
    client: Client, database: Database, settings: Settings, tea: int
) -> None:
    cart = await opened(client)
    await put(client, cart, 6)
    await reservation_rows.let_time_pass(database)
    await services.carts.let_lapse(database)

    response = await client.put(f"/carts/{cart}/checkout")
    await scenario.go_on(database, settings)

    assert response.status == 200
    assert counters(await stock_rows.level(database, tea)) == (10, 0, 6, 0)
    assert await stock_rows.differences(database) == []


async def test_a_cart_whose_items_others_have_is_refused_and_stays_open(
    client: Client, database: Database, tea: int
) -> None:
    late, early = await opened(client), await opened(client)
    await put(client, late, 6)
    await reservation_rows.let_time_pass(database)
    await services.carts.let_lapse(database)
    await put(client, early, 5)

    refused = await client.put(f"/carts/{late}/checkout")
    await put(client, late, 5)
    taken = await client.put(f"/carts/{late}/checkout")

    said = await refused.json(content_type=PROBLEM)
    assert (refused.status, taken.status) == (409, 200)
    assert said["short"] == [{"sku": "tea", "wanted": 6, "available": 5}]
    assert counters(await stock_rows.level(database, tea)) == (10, 10, 0, 0)
    assert await stock_rows.differences(database) == []


async def test_a_closed_cart_and_one_with_a_total_of_its_own_take_no_items(
    client: Client, tea: int
) -> None:
    closed, old = await opened(client), await opened(client, total_amount="9.00")
    await client.put(f"/carts/{closed}/checkout")

    for cart, words in ((closed, "closed"), (old, "total of its own")):
        refused = await put(client, cart, 1)

        assert refused.status == 409
        assert words in (await refused.json(content_type=PROBLEM))["error"]


@pytest.mark.parametrize("sku", ["unknown", "a%2Fb", "x" * 100, "%00"])
async def test_what_is_no_product_cannot_be_put_into_a_cart(
    client: Client, tea: int, sku: str
) -> None:
    refused = await put(client, await opened(client), 1, sku=sku)

    assert refused.status == (400 if sku == "%00" else 404)


@pytest.mark.parametrize("quantity", [-1, 1.5, "2", None, True, 2_147_483_648])
async def test_a_quantity_is_a_whole_number(client: Client, tea: int, quantity: Any) -> None:
    refused = await put(client, await opened(client), quantity)

    assert refused.status == 400


async def test_more_money_than_an_order_can_come_to_is_refused_and_holds_nothing(
    client: Client, database: Database, tea: int
) -> None:
    await stock_rows.allow_backorders(database, tea, 2_000_000_000)

    refused = await put(client, await opened(client), 20_000_000)

    assert refused.status == 400
    assert (await stock_rows.level(database, tea)).reserved == 0


async def test_a_withdrawn_product_can_be_taken_out_of_a_cart_and_not_put_in(
    client: Client, database: Database, tea: int
) -> None:
    cart = await opened(client)
    await put(client, cart, 3)
    await stock_rows.withdraw(database, tea)

    refused, emptied = await put(client, cart, 4), await put(client, cart, 0)

    assert (refused.status, emptied.status) == (404, 200)
    assert (await stock_rows.level(database, tea)).reserved == 0


@pytest.mark.parametrize("left", [5, 6])
async def test_the_order_of_a_cart_that_held_nothing_gets_what_is_left_or_nothing(
    client: Client, database: Database, tea: int, left: int
) -> None:
    """A version that knows nothing of reservations closes a cart although they lapsed."""
    cart = await opened(client)
    await put(client, cart, 6)
    await reservation_rows.let_time_pass(database)
    await services.carts.let_lapse(database)
    counted = storage.stock_bookings.Line(sku="tea", count=left, reason="a test")
    await database.ask(services.stock.book, [counted], each_alone=False, actor="test")
    placed = await scenario.place(database)

    async with database.transaction() as connection:
        short = await storage.reservations.become_order(
            connection, UUID(cart), order_id=placed.order_id, actor="test"
        )

    assert [(line.sku, line.wanted, line.available) for line in short] == (
        [("tea", 6, 5)] if left == 5 else []
    )
    assert (await stock_rows.level(database, tea)).allocated == (0 if left == 5 else 6)
    assert await stock_rows.differences(database) == []


async def test_a_cart_that_is_not_there_has_no_contents(client: Client) -> None:
    for path in (f"/carts/{uuid4()}", "/carts/none"):
        assert (await client.get(path)).status == 404
        assert (await client.put(f"{path}/items/tea", json={"quantity": 1})).status == 404

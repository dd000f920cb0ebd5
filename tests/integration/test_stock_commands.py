"""``orderbus products`` and ``orderbus stock``."""

from __future__ import annotations

import pytest

from orderbus import storage
from orderbus.storage.database import Database
from orderbus.storage.product_lists import Filter
from tests.support import stock_rows
from tests.support.commands import answered, typed


@pytest.fixture
async def tea(env: dict[str, str], database: Database) -> str:
    (added,) = await answered(env, "products", "add", "tea", "Green tea", "4.50")
    assert (added["sku"], added["price"], added["version"]) == ("tea", "4.50", 1)
    return str(added["sku"])


async def test_a_product_is_added_once_and_listed_by_sku(env: dict[str, str], tea: str) -> None:
    await answered(env, "products", "add", "coffee", "Coffee", "12")

    again = await typed(env, "products", "add", tea, "Another tea", "1")
    listed = await answered(env, "products", "list")
    behind = await answered(env, "products", "list", "--after", "coffee", "--limit", "1")

    assert again.exit_code != 0
    assert "There is a product tea already" in again.output
    assert [each["sku"] for each in listed] == ["coffee", "tea"]
    assert [each["name"] for each in behind] == ["Green tea"]


@pytest.mark.parametrize(
    ("sku", "name", "price", "said"),
    [
        ("", "Tea", "1", "The sku is not valid"),
        ("x" * 101, "Tea", "1", "The sku is not valid"),
        ("tea", "", "1", "The name is not valid"),
        ("tea", "Tea", "-1", "The price is not valid"),
        ("tea", "Tea", "1.005", "The price is not valid"),
        ("tea", "Tea", "100000000", "The price is not valid"),
        ("tea", "Tea", "much", "must be a number, such as 350.00"),
    ],
)
async def test_a_product_that_cannot_be_is_refused_in_words(
    env: dict[str, str], database: Database, sku: str, name: str, price: str, said: str
) -> None:
    refused = await typed(env, "products", "add", "--", sku, name, price)

    assert refused.exit_code != 0
    assert said in refused.output
    assert await answered(env, "products", "list") == []


async def test_stock_is_booked_in_out_and_as_counted_and_each_movement_says_why(
    env: dict[str, str], tea: str
) -> None:
    came = await answered(env, "stock", "book", tea, "--delta", "10")
    went = await answered(env, "stock", "book", tea, "--delta", "-3", "--reason", "broken")
    counted = ("--count", "6", "--expected", "7", "--reason", "count of May")
    await answered(env, "stock", "book", tea, *counted)
    shown = await answered(env, "stock", "show", tea)

    assert (came["before"], came["after"], went["after"]) == (0, 10, 7)
    assert (shown["on_hand"], shown["available"]) == (6, 6)
    assert [(each["kind"], each["on_hand"], each["reason"]) for each in shown["movements"]] == [
        ("counted", -1, "count of May"),
        ("removed", -3, "broken"),
        ("received", 10, None),
    ]
    assert all(each["actor"].startswith("command:") for each in shown["movements"])
    table = (await typed(env, "stock", "list")).stdout
    assert "on_hand" in table
    assert "Green tea" in table


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("tea", "--delta", "-11", "--reason", "lost"), "only 10 are on hand"),
        (("tea", "--delta", "1", "--expected", "9"), "on_hand is 10"),
        (("tea", "--count", "1"), "give the reason"),
        (("tea",), "either the count or the delta"),
        (("coffee", "--delta", "1"), "No product coffee"),
    ],
)
async def test_a_booking_that_cannot_be_is_refused_and_nothing_moves(
    env: dict[str, str], tea: str, arguments: tuple[str, ...], said: str
) -> None:
    await answered(env, "stock", "book", tea, "--delta", "10")

    refused = await typed(env, "stock", "book", *arguments)

    assert refused.exit_code != 0
    assert said in refused.output
    assert len((await answered(env, "stock", "show", tea))["movements"]) == 1


async def test_verify_is_content_where_counters_are_what_moved_and_lists_each_that_is_not(
    env: dict[str, str], database: Database, tea: str
) -> None:
    await answered(env, "stock", "book", tea, "--delta", "10")
    good = await typed(env, "stock", "verify")
    await stock_rows.write_past_us(database, "on_hand = 12, shipped = 1")
    bad = await typed(env, "stock", "verify", "--json")

    assert (good.exit_code, bad.exit_code) == (0, 1)
    assert "The counters of 1 products are the sum of what moved." in good.output
    assert '{"sku": "tea", "counter": "on_hand", "kept": 12, "moved": 10}' in bad.stdout
    assert '{"sku": "tea", "counter": "shipped", "kept": 1, "moved": 0}' in bad.stdout


async def test_an_empty_catalogue_is_filled_with_examples_once_and_where_debug_is_set_alone(
    env: dict[str, str], database: Database
) -> None:
    refused = await typed(env, "seed")
    first = await answered({**env, "DEBUG": "true"}, "seed")
    again = await answered({**env, "DEBUG": "true"}, "seed")

    assert refused.exit_code == 2
    assert "only where DEBUG is true" in refused.output
    assert (first, again) == ({"products": 20, "users": 2}, {"products": 0, "users": 0})
    listed = await answered(env, "stock", "list", "--limit", "20")
    assert sum(level["on_hand"] for level in listed) == 18 * 52 + 95
    guitars = await database.ask(
        storage.product_lists.read,
        Filter(category="guitars"),
        limit=20,
        offset=0,
    )
    assert guitars.count == 20
    assert guitars.products[0].name == "Django Reinhardt"
    assert await stock_rows.differences(database) == []


async def test_a_product_is_sold_no_more_and_again(env: dict[str, str], tea: str) -> None:
    typed_in_turn = [
        await answered(env, "products", action, tea)
        for action in ("withdraw", "withdraw", "restore", "restore")
    ]
    unknown = await typed(env, "products", "restore", "coffee")

    assert [each["active"] for (each,) in typed_in_turn] == [False, False, True, True]
    assert [each["version"] for (each,) in typed_in_turn] == [2, 2, 3, 3]
    assert unknown.exit_code != 0
    assert "No product coffee" in unknown.output


async def test_a_category_is_added_once_below_one_that_is_there(env: dict[str, str]) -> None:
    await answered(env, "products", "add-category", "guitars", "Guitars")
    listed = await answered(env, "products", "add-category", "basses", "B", "--parent", "guitars")
    refused = [
        (await typed(env, "products", "add-category", *words)).output
        for words in (("basses", "B"), ("of-old", "B", "--parent", "none"), ("No slug", "B"))
    ]

    assert [(each["slug"], each["parent"]) for each in listed] == [
        ("guitars", None),
        ("basses", "guitars"),
    ]
    assert "There is a category basses already" in refused[0]
    assert "There is no category none." in refused[1]
    assert "The slug is not valid" in refused[2]


async def test_who_types_a_command_about_products_is_in_the_trail(
    env: dict[str, str], tea: str
) -> None:
    await answered(env, "products", "withdraw", tea)
    await answered(env, "products", "add-category", "teas", "Teas")

    trail = await answered(env, "audit", "list")

    assert [entry["action"] for entry in trail] == [
        "category.added",
        "product.deactivated",
        "stock.added",
        "product.added",
    ]
    assert {entry["actor"].partition(":")[0] for entry in trail} == {"command"}

"""Products over HTTP, as clients of the first shop know them, and as nobody can oversell them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from orderbus import storage
from orderbus.storage.database import Database
from tests.conftest import settings_from
from tests.support import stock_rows
from tests.support.api_client import Client, serving
from tests.support.catalog_samples import PRODUCT, add_guitars

ALL = "/api/catalog/products/"
ONE = f"{ALL}1/"
MEMBERS = {"id", "public_id", "name", "description", "price", "url", "quantity"}


@pytest.fixture
async def shop(client: Client, database: Database) -> Client:
    """A server with twenty guitars."""
    await add_guitars(database)
    return client


@pytest.fixture
async def guarded(env: dict[str, str], database: Database) -> AsyncIterator[Client]:
    """A front door that wants API keys."""
    async with serving(settings_from(env, auth="required", webhook_secrets="shared")) as client:
        yield client


async def read(client: Client, path: str) -> Any:
    response = await client.get(path)
    assert response.status == 200, await response.text()
    return await response.json()


async def names(client: Client, query: str) -> list[str]:
    return [product["name"] for product in (await read(client, f"{ALL}?{query}"))["results"]]


async def test_get_products(shop: Client) -> None:
    page = await read(shop, ALL)

    assert (page["count"], len(page["results"]), page["previous"]) == (20, 10, None)
    first = page["results"][0]
    assert {name: first[name] for name in PRODUCT} == PRODUCT
    assert set(first) >= MEMBERS
    assert (first["id"], first["quantity"]) == (1, 0)
    assert first["url"].startswith("http://")
    assert first["url"].endswith(ONE)


async def test_create_product(shop: Client) -> None:
    body = {"name": "New Product", "description": "New Product description", "price": 300}

    response = await shop.post(ALL, json={**body, "quantity": 7, "id": 99})
    added = await response.json()

    assert response.status == 201
    assert {name: added[name] for name in body} == {**body, "price": "300.00"}
    assert (added["id"], added["quantity"]) == (21, 0)
    assert response.headers["Location"] == added["url"]


async def test_update_product(shop: Client) -> None:
    body = {"name": "Django Reinhardt", "description": "Gypsy jazz guitar updated", "price": 100.0}

    response = await shop.put(ONE, json=body)
    changed = await response.json()

    assert response.status == 200
    assert (changed["description"], changed["price"]) == (body["description"], "100.00")
    assert (await read(shop, ONE)) == changed


async def test_delete_product(shop: Client) -> None:
    response = await shop.delete(ONE)

    assert (response.status, await response.read()) == (204, b"")
    assert (await read(shop, ALL))["count"] == 19
    gone = await shop.get(ONE)
    assert (gone.status, await gone.json()) == (404, {"detail": "Not found."})
    assert await names(shop, "active=false") == ["Django Reinhardt"]


async def test_get_product(shop: Client) -> None:
    product = await read(shop, ONE)

    assert {name: product[name] for name in PRODUCT} == PRODUCT


async def test_pages_lead_to_one_another_from_the_first_to_the_last_and_back(shop: Client) -> None:
    last = await read(shop, f"{ALL}?limit=8&price__gte=200&ordering=-price")
    seen = [product["price"] for product in last["results"]]
    while last["next"]:
        last = await read(shop, last["next"][last["next"].index("/api") :])
        seen += [product["price"] for product in last["results"]]

    assert seen == [f"{price}.00" for price in range(2000, 100, -100)]
    assert last["count"] == 19
    back = await read(shop, last["previous"][last["previous"].index("/api") :])
    assert [product["price"] for product in back["results"]] == seen[8:16]
    assert back["previous"].endswith("?limit=8&price__gte=200&ordering=-price")


async def test_every_filter_lists_what_fits(shop: Client, database: Database) -> None:
    async with database.transaction() as connection:
        for slug, parent in (("guitars", None), ("electric", "guitars"), ("drums", None)):
            await storage.categories.add(connection, slug, slug.title(), parent=parent)
    for number, categories in ((2, ["electric"]), (3, ["guitars"]), (4, ["drums"])):
        response = await shop.patch(f"{ALL}{number}/", json={"categories": categories})
        assert (await response.json())["categories"] == categories
    await stock_rows.book(database, "guitar-5", 1)
    wanted = {
        "name=Guitar+2": ["Guitar 2"],
        "name__icontains=GUITAR+1&limit=3": ["Guitar 10", "Guitar 11", "Guitar 12"],
        "name__icontains=%25": [],
        "category=guitars": ["Guitar 2", "Guitar 3"],
        "category=electric": ["Guitar 2"],
        "category=nothing": [],
        "price=300": ["Guitar 3"],
        "price__gte=1900": ["Guitar 19", "Guitar 20"],
        "price__lte=200.00": ["Django Reinhardt", "Guitar 2"],
        "price__gte=300&price__lte=400&ordering=-name": ["Guitar 4", "Guitar 3"],
        "in_stock=true": ["Guitar 5"],
        "in_stock=false&limit=1": ["Django Reinhardt"],
        "sku=guitar-7": ["Guitar 7"],
        "search=jazz": ["Django Reinhardt"],
        "search=electric+-gypsy&category=drums": ["Guitar 4"],
        "ordering=-id&limit=1": ["Guitar 20"],
        "offset=19": ["Guitar 20"],
        "offset=99": [],
    }

    assert {query: await names(shop, query) for query in wanted} == wanted


@pytest.mark.parametrize(
    "query",
    [
        *("colour=red", "limit=0", "limit=101", "offset=-1", "price=much", "in_stock=2"),
        *("ordering=x", "name=a&name=b", "detail=x", "error=x"),
    ],
)
async def test_a_filter_that_is_none_lists_nothing(client: Client, query: str) -> None:
    response = await client.get(f"{ALL}?{query}")

    assert response.status == 400
    field = query.partition("=")[0]
    expected = "non_field_errors" if field in {"detail", "error"} else field
    assert list(await response.json()) == [expected]


@pytest.mark.parametrize(
    ("member", "value", "said"),
    [
        ("name", None, "Not a valid string."),
        ("name", " ", "This field may not be blank."),
        ("name", "x" * 101, "Ensure this field has no more than 100 characters."),
        ("description", "", "This field may not be blank."),
        ("price", "much", "A valid number is required."),
        ("price", "1.001", "Ensure that there are no more than 2 decimal places."),
        ("price", -1, "Ensure this value is greater than or equal to 0."),
        ("sku", "guitar-2", "product with this sku already exists."),
        ("categories", ["none"], "There is no category none."),
    ],
)
async def test_what_is_wrong_is_said_by_field_in_the_words_that_clients_know(
    client: Client, database: Database, member: str, value: Any, said: str
) -> None:
    await add_guitars(database, 2)

    for ask, path in ((client.post, ALL), (client.put, ONE), (client.patch, ONE)):
        response = await ask(path, json={**PRODUCT, member: value})
        assert (response.status, await response.json()) == (400, {member: [said]})


async def test_what_is_missing_is_said_of_each_field(client: Client) -> None:
    response = await client.post(ALL, json={})

    required = ["This field is required."]
    assert await response.json() == dict.fromkeys(("name", "description", "price"), required)


async def test_two_who_change_what_they_saw_do_not_undo_one_another(shop: Client) -> None:
    seen = {"If-Match": (await shop.get(ONE)).headers["ETag"]}

    first = await shop.patch(ONE, json={"price": 90}, headers=seen)
    second = await shop.patch(ONE, json={"price": 80}, headers=seen)
    removed = await shop.delete(ONE, headers=seen)

    assert [first.status, second.status, removed.status] == [200, 412, 412]
    assert (await read(shop, ONE))["price"] == "90.00"


async def test_units_are_set_aside_and_leave_but_never_more_than_there_are(
    shop: Client, database: Database
) -> None:
    await stock_rows.book_in(database, 10)

    async def ask(action: str, quantity: int) -> tuple[int, Any]:
        response = await shop.post(f"{ONE}{action}/", json={"quantity": quantity})
        return response.status, await response.json()

    short = (400, {"error": "Requested quantity is not available."})
    assert await ask("reserve", 11) == short
    status, inventory = await ask("reserve", 4)
    assert (status, inventory["available"], inventory["reserved"]) == (200, 6, 4)
    assert await ask("ship", 11) == short
    status, inventory = await ask("ship", 7)
    counters = ("on_hand", "reserved", "available", "shipped")
    assert [inventory[name] for name in counters] == [3, 0, 3, 7]
    assert await ask("ship", 0) == (
        400,
        {"quantity": ["Ensure this value is greater than or equal to 1."]},
    )
    assert await stock_rows.differences(database) == []


async def test_what_carts_hold_is_not_sent_to_somebody_else(
    shop: Client, database: Database
) -> None:
    await stock_rows.book_in(database, 10)
    await stock_rows.reserve_for_a_cart(database, 1, 8)

    refused = await shop.post(f"{ONE}ship/", json={"quantity": 3})
    sent = await shop.post(f"{ONE}ship/", json={"quantity": 2})

    assert (refused.status, sent.status) == (400, 200)
    assert (await stock_rows.level(database, 1)).reserved == 8


async def test_forty_who_take_by_hand_at_once_get_what_there_is(
    shop: Client, database: Database
) -> None:
    await stock_rows.book_in(database, 10)

    async def take(action: str) -> int:
        return (await shop.post(f"{ONE}{action}/", json={"quantity": 1})).status

    statuses = await asyncio.gather(*(take(action) for action in ("reserve", "ship") * 20))

    level = await stock_rows.level(database, 1)
    assert (level.available, level.reserved + level.shipped) == (0, 10)
    assert statuses.count(200) >= 10  # what was set aside may be sent as well
    assert set(statuses) == {200, 400}
    assert await stock_rows.differences(database) == []


async def test_a_repeated_request_takes_once(shop: Client, database: Database) -> None:
    await stock_rows.book_in(database, 10)
    key = {"Idempotency-Key": "once"}

    for _ in range(2):
        await shop.post(f"{ONE}reserve/", json={"quantity": 3}, headers=key)

    assert (await read(shop, ONE))["quantity"] == 7


async def test_anybody_reads_and_only_the_holder_of_a_key_changes(
    guarded: Client, database: Database
) -> None:
    await add_guitars(database, 1)

    for path in ("/api/catalog/", "/api/catalog/categories/", ALL, ONE):
        assert (await guarded.get(path)).status == 200, path
    for ask, path in (
        (guarded.post, ALL),
        (guarded.put, ONE),
        (guarded.patch, ONE),
        (guarded.delete, ONE),
        (guarded.post, f"{ONE}reserve/"),
        (guarded.post, f"{ONE}ship/"),
    ):
        response = await ask(path, json=PRODUCT)
        assert (response.status, list(await response.json())) == (401, ["detail"])
    assert (await guarded.get(f"{ALL}?active=false")).status == 401


async def test_the_catalogue_says_where_its_collections_are(client: Client) -> None:
    root = await read(client, "/api/")
    links = await read(client, root["catalog"][root["catalog"].index("/api") :])

    assert set(links) == {"products", "categories"}
    for link in links.values():
        assert (await read(client, link[link.index("/api") :]))["results"] == []


async def test_what_is_no_product_is_not_found(client: Client) -> None:
    for product in ("17", "x", "1" * 30, "-1"):
        response = await client.get(f"{ALL}{product}/")
        assert (response.status, await response.json()) == (404, {"detail": "Not found."})

"""A shop's front page costs PostgreSQL little, and shows what changed, whoever changed it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import pytest

from orderbus import storage
from orderbus.domain.products import Changes
from orderbus.errors import NotFound, Unavailable
from orderbus.services import product_cache
from orderbus.services.product_cache import ProductCache
from orderbus.services.reads import Reads
from orderbus.storage.database import Connection, Database
from orderbus.storage.product_lists import Filter
from orderbus.storage.products import Shown
from tests.support import statements, stock_rows
from tests.support.api_client import Client
from tests.support.waiting import until_true

ALL = "/api/catalog/products/"


@pytest.fixture
def sent(database: Database) -> Iterator[list[str]]:
    with statements.recorded() as sent:
        yield sent


@pytest.fixture
def cache(database: Database) -> ProductCache:
    return ProductCache(Reads(database), ttl=timedelta(minutes=1))


@pytest.fixture
def never_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once somebody looked, nobody does so again by themselves."""
    monkeypatch.setattr(product_cache, "LOOK_EVERY", 10_000)


async def available(cache: ProductCache, product: int) -> int:
    return (await cache.product(product)).available


async def rename(database: Database, product: int, name: str) -> None:
    await database.ask(storage.products.change, product, Changes(name=name), seen=None)


@pytest.mark.usefixtures("never_looks")
async def test_what_was_shown_is_shown_again_without_a_statement(
    database: Database, cache: ProductCache, sent: list[str]
) -> None:
    product = await stock_rows.add(database, 5)
    pages = [await cache.page(Filter(), limit=10, offset=0) for _ in range(2)]
    shown = await cache.product(product)
    sent.clear()

    again = [await cache.page(Filter(), limit=10, offset=0), await cache.product(product)]

    assert again == [pages[0], shown]
    assert sent == []
    other = await cache.page(Filter(), limit=11, offset=0)
    assert (other.products, len(sent)) == (pages[0].products, 2)


async def test_what_anybody_changed_is_shown_soon(database: Database, cache: ProductCache) -> None:
    product, other = await stock_rows.add(database, 5), await stock_rows.add(database, 1)
    assert (await available(cache, product), await available(cache, other)) == (5, 1)

    await stock_rows.reserve_for_a_cart(database, product, 2)
    await until_true(lambda: is_available(cache, product, 3), "its stock is shown")
    await rename(database, product, "Green tea")

    async def is_renamed() -> bool:
        page = await cache.page(Filter(), limit=10, offset=0)
        names = {shown.name for shown in page.products}
        return names == {"Green tea", "Tea"} and (await cache.product(product)).name == "Green tea"

    await until_true(is_renamed, "its name is shown, also in a page")


async def is_available(cache: ProductCache, product: int, units: int) -> bool:
    return await available(cache, product) == units


@pytest.mark.usefixtures("never_looks")
async def test_who_wrote_here_sees_it_at_once(database: Database, cache: ProductCache) -> None:
    product = await stock_rows.add(database, 5)
    seen = []
    for left in range(4, -1, -1):
        await stock_rows.reserve_for_a_cart(database, product, 1)
        cache.look_again()
        seen.append(await available(cache, product) == left)

    assert all(seen)


@pytest.mark.usefixtures("never_looks")
async def test_only_what_changed_is_read_again(
    database: Database, cache: ProductCache, sent: list[str]
) -> None:
    changed, same = await stock_rows.add(database, 5), await stock_rows.add(database, 5)
    for _ in range(2):  # what was written just before the first look is found by the second
        cache.look_again()
        await asyncio.gather(cache.product(changed), cache.product(same))
    await rename(database, changed, "Green tea")
    cache.look_again()
    sent.clear()

    shown = [await cache.product(product) for product in (same, changed)]

    assert [product.name for product in shown] == ["Tea", "Green tea"]
    assert len(sent) == 2, "one that looks, and one that reads"


@pytest.mark.usefixtures("never_looks")
async def test_a_hundred_who_ask_at_once_are_answered_by_one_who_reads(
    database: Database, cache: ProductCache, sent: list[str]
) -> None:
    product = await stock_rows.add(database, 5)
    await cache.page(Filter(), limit=10, offset=0)
    sent.clear()

    shown = await asyncio.gather(*[cache.product(product) for _ in range(100)])

    assert len(set(map(id, shown))) == 1
    assert len(sent) == 1


@pytest.mark.usefixtures("never_looks")
async def test_what_was_read_before_a_change_is_never_kept_after_it(
    database: Database, cache: ProductCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = await stock_rows.add(database, 5)
    show, has_read, may_go_on = storage.products.show, asyncio.Event(), asyncio.Event()

    async def show_late(connection: Connection, product_id: int) -> Shown:
        shown = await show(connection, product_id)
        if not has_read.is_set():
            has_read.set()
            await may_go_on.wait()
        return shown

    monkeypatch.setattr(storage.products, "show", show_late)
    slow = asyncio.create_task(cache.product(product))
    await has_read.wait()
    await stock_rows.reserve_for_a_cart(database, product, 5)
    cache.look_again()

    assert await available(cache, product) == 0
    may_go_on.set()
    assert (await slow).available == 5
    assert await available(cache, product) == 0


async def test_a_reader_who_goes_away_takes_nothing_from_the_others(
    database: Database, cache: ProductCache
) -> None:
    product = await stock_rows.add(database, 5)
    goes, stays = (asyncio.create_task(available(cache, product)) for _ in range(2))
    await asyncio.sleep(0)
    goes.cancel()

    assert await stays == 5


@pytest.mark.usefixtures("never_looks")
async def test_while_nobody_can_look_no_copy_is_shown(
    database: Database, cache: ProductCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = await stock_rows.add(database, 5)
    await cache.product(product)
    await cache.product(product)
    cache.look_again()

    async def away(*_: object) -> None:
        raise Unavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(storage.product_changes, "since", away)
        for _ in range(2):
            with pytest.raises(Unavailable):
                await cache.product(product)

    assert await available(cache, product) == 5


@pytest.mark.usefixtures("never_looks")
async def test_more_changes_than_are_looked_at_empty_it(
    database: Database, cache: ProductCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.product_changes, "MOST", 3)
    product = await stock_rows.add(database, 9)
    await cache.product(product)
    for _ in range(5):
        await stock_rows.reserve_for_a_cart(database, product, 1)
    cache.look_again()

    assert await available(cache, product) == 4


async def test_a_product_that_is_sold_no_more_is_gone(
    database: Database, cache: ProductCache
) -> None:
    product = await stock_rows.add(database, 9)
    await cache.product(product)
    await database.ask(storage.products.deactivate, product, seen=None)
    cache.look_again()

    with pytest.raises(NotFound):
        await cache.product(product)


async def test_without_a_time_nothing_is_kept(database: Database, sent: list[str]) -> None:
    cache = ProductCache(Reads(database), ttl=timedelta(0))
    product = await stock_rows.add(database, 9)
    sent.clear()

    for _ in range(3):
        await cache.product(product)

    assert len(sent) == 3


@pytest.mark.usefixtures("never_looks")
async def test_whoever_changes_a_product_over_http_is_shown_it_so(
    client: Client, database: Database
) -> None:
    product = await stock_rows.add(database, 9)
    seen = []
    for number in range(5):
        await client.patch(f"{ALL}{product}/", json={"name": f"Tea {number}"})
        await client.post(f"{ALL}{product}/reserve/", json={"quantity": 1})
        one = await (await client.get(f"{ALL}{product}/")).json()
        page = await (await client.get(ALL)).json()
        seen.append([(shown["name"], shown["quantity"]) for shown in (one, page["results"][0])])

    assert seen == [[(f"Tea {number}", 8 - number)] * 2 for number in range(5)]

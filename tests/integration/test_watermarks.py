"""A watermark goes with its order's last event, and a later event brings it back."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from orderbus import storage
from orderbus.domain.carts import OpenCart
from orderbus.settings import Settings
from orderbus.storage import migrations
from orderbus.storage.database import Database
from orderbus.storage.retention import Bounds
from tests.support import (
    cart_rows,
    delivery_rows,
    order_rows,
    row_counts,
    scenario,
    watermark_rows,
)

#: Longer ago than any day whose partition is made by itself.
DAYS_AGO = 60


async def place_long_ago(database: Database, *, count: int = 1) -> list[int]:
    """Place orders whose events came back and whose day is no longer kept; returns their ids."""
    day = (datetime.now(UTC) - timedelta(days=DAYS_AGO)).date()
    orders = [await scenario.place(database) for _ in range(count)]
    await scenario.come_back(database, *await scenario.events(database))
    keys = await order_rows.keys(database, [order.order_id for order in orders])
    await order_rows.move_to_a_day_that_is_gone(database, keys, day)
    return keys


async def forget(database: Database, at_most: int = 1000) -> int:
    async with database.connection() as connection:
        bounds = Bounds(timedelta(0), at_most)
        return (await storage.retention.forget_watermarks(connection, bounds)).rows


async def note(database: Database, number: int) -> None:
    public_id = await order_rows.public_id(database, number)
    async with database.transaction() as connection:
        content = {"order_id": str(public_id)}
        noted = storage.events.Happened(number, "order.noted", "test", content)
        await storage.events.append(connection, [noted])


async def test_the_watermarks_of_days_that_are_gone_go_and_no_others(database: Database) -> None:
    old = await place_long_ago(database, count=3)
    await scenario.place(database)
    await scenario.come_back(database, (await scenario.events(database))[-1])

    forgotten = await forget(database)

    assert forgotten == 3
    assert len(await watermark_rows.by_order(database)) == 1
    assert not set(old) & set(await watermark_rows.by_order(database))


async def test_a_later_event_of_a_forgotten_order_reaches_the_endpoint(database: Database) -> None:
    await scenario.add_endpoint(database)
    (number,) = await place_long_ago(database)
    await delivery_rows.skip_all(database)
    await forget(database)
    await note(database, number)

    due = await scenario.come_back(database, *await scenario.events(database))

    assert len(due) == 1
    assert await scenario.claim(database, due[0]) is not None
    assert await watermark_rows.by_order(database) == {number: 2}


async def test_later_events_of_a_forgotten_order_keep_their_order(database: Database) -> None:
    await scenario.add_endpoint(database)
    (number,) = await place_long_ago(database)
    await delivery_rows.skip_all(database)
    await forget(database)
    for _ in range(3):
        await note(database, number)
    second, third, fourth = await scenario.events(database)

    early = await scenario.come_back(database, fourth, third)
    due = await scenario.come_back(database, second)

    assert early == []
    assert await watermark_rows.by_order(database) == {number: 4}
    assert len(due) == 1


async def test_an_order_whose_later_event_is_kept_keeps_its_watermark(database: Database) -> None:
    (number, other) = await place_long_ago(database, count=2)
    await note(database, number)
    await scenario.come_back(database, *await scenario.events(database))

    first, second = await forget(database, at_most=1), await forget(database, at_most=1)

    assert first + second == 1
    assert await watermark_rows.by_order(database) == {number: 2}
    assert not await forget(database)
    assert await watermark_rows.are_all_of_today(database)
    assert other not in await watermark_rows.by_order(database)


async def test_an_order_that_is_being_recorded_keeps_its_watermark_and_nobody_waits(
    database: Database,
) -> None:
    (number, _) = await place_long_ago(database, count=2)
    async with database.transaction() as connection:
        await watermark_rows.hold(connection, number)
        forgotten = await forget(database)

    assert forgotten == 1
    assert list(await watermark_rows.by_order(database)) == [number]


async def test_a_cart_is_forgotten_with_its_day(database: Database) -> None:
    async with database.connection() as connection:
        cart = await storage.carts.add(connection, OpenCart(total_amount=Decimal("1.00")))
    await database.ask(storage.carts.check_out, cart, traceparent=None)
    await scenario.come_back(database, *await scenario.events(database))
    await watermark_rows.age_all(database)

    kept = await forget(database)
    await watermark_rows.age_all(database)
    await cart_rows.close_long_ago(database)
    gone = await forget(database)

    assert (kept, gone) == (0, 1)


@pytest.mark.parametrize("kept", ["all", "none"])
async def test_forgetting_looks_at_no_more_than_it_was_asked_to(
    database: Database, kept: str
) -> None:
    await watermark_rows.add(database, 20_000, days_ago=0 if kept == "all" else 90)

    bounds = Bounds(timedelta(0), 10)
    async with row_counts.transaction(database) as counted:
        forgotten = (await storage.retention.forget_watermarks(counted.connection, bounds)).rows
        read = await counted.read_without_index("ops.watermarks")

    assert forgotten == (10 if kept == "none" else 0)
    assert read == 0


async def test_a_bridge_of_the_version_before_restores_what_was_forgotten_too(
    database: Database,
) -> None:
    """It runs for a while beside new workers, which forget."""
    gone, going = await place_long_ago(database, count=2)
    await forget(database)
    await note(database, gone)
    await note(database, going)
    await scenario.come_back(database, *(await scenario.events(database))[-1:])
    await watermark_rows.take_as_before(database, [gone, going])

    assert await watermark_rows.by_order(database) == {gone: 1, going: 2}


async def test_watermarks_that_were_forgotten_are_back_after_the_way_back(
    database: Database, settings: Settings
) -> None:
    (number,) = await place_long_ago(database)
    await forget(database)
    await note(database, number)

    names = sorted({path.name.split(".")[0] for path in migrations.FOLDER.glob("[0-9]*.sql")})
    newer = len(names) - names.index("0010")
    await asyncio.to_thread(migrations.rollback, settings, newest=newer, agreed=[])

    assert await watermark_rows.by_order(database) == {number: 1}

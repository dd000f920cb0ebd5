"""A watermark goes with its order's last event, and a later event brings it back."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from orderbus import services, storage
from orderbus.settings import Settings
from orderbus.storage import migrations
from orderbus.storage.database import Database
from tests.support import scenario

#: Longer ago than any day whose partition is made by itself.
DAYS_AGO = 60


async def place_long_ago(database: Database, *, count: int = 1) -> list[int]:
    """Place orders whose events came back and whose day is no longer kept; returns their ids."""
    day = (datetime.now(UTC) - timedelta(days=DAYS_AGO)).date()
    orders = [await scenario.place(database) for _ in range(count)]
    await scenario.come_back(database, *await scenario.events(database))
    async with database.connection() as connection:
        ids = await connection.fetch(
            "SELECT id FROM orders.orders WHERE public_id = ANY ($1) ORDER BY id",
            [order.order_id for order in orders],
        )
        numbers = [row["id"] for row in ids]
        await connection.execute("ALTER TABLE orders.order_history DISABLE TRIGGER append_only")
        for statement in (
            "UPDATE orders.order_history SET at = $2::date WHERE order_id = ANY ($1)",
            "UPDATE ops.watermarks SET day = $2 WHERE order_id = ANY ($1)",
        ):
            await connection.execute(statement, numbers, day)
        for table in ("events", "inbox"):
            await connection.execute(
                f"DELETE FROM ops.{table} WHERE order_id = ANY ($1)",
                numbers,
            )
    return numbers


async def forget(database: Database, at_most: int = 1000) -> int:
    async with database.connection() as connection:
        return await storage.retention.forget_watermarks(connection, at_most=at_most)


async def watermarks(database: Database) -> dict[int, int]:
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT order_id, sequence FROM ops.watermarks")
    return {row["order_id"]: row["sequence"] for row in rows}


async def note(database: Database, number: int) -> None:
    public_id = await scenario.value(
        database, "SELECT public_id FROM orders.orders WHERE id = $1", number
    )
    async with database.transaction() as connection:
        await storage.events.append(
            connection,
            number,
            types=["order.noted"],
            actor="test",
            content={"order_id": str(public_id)},
            details={},
            traceparent=None,
        )


async def test_the_watermarks_of_days_that_are_gone_go_and_no_others(database: Database) -> None:
    old = await place_long_ago(database, count=3)
    await scenario.place(database)
    await scenario.come_back(database, (await scenario.events(database))[-1])

    forgotten = await forget(database)

    assert forgotten == 3
    assert len(await watermarks(database)) == 1
    assert not set(old) & set(await watermarks(database))


async def test_a_later_event_of_a_forgotten_order_reaches_the_endpoint(database: Database) -> None:
    await scenario.add_endpoint(database)
    (number,) = await place_long_ago(database)
    await scenario.value(
        database, "UPDATE ops.webhook_deliveries SET state = 'skipped', settled_at = now()"
    )
    await forget(database)
    await note(database, number)

    due = await scenario.come_back(database, *await scenario.events(database))

    assert len(due) == 1
    assert await scenario.claim(database, due[0]) is not None
    assert await watermarks(database) == {number: 2}


async def test_later_events_of_a_forgotten_order_keep_their_order(database: Database) -> None:
    await scenario.add_endpoint(database)
    (number,) = await place_long_ago(database)
    await scenario.value(
        database, "UPDATE ops.webhook_deliveries SET state = 'skipped', settled_at = now()"
    )
    await forget(database)
    for _ in range(3):
        await note(database, number)
    second, third, fourth = await scenario.events(database)

    early = await scenario.come_back(database, fourth, third)
    due = await scenario.come_back(database, second)

    assert early == []
    assert await watermarks(database) == {number: 4}
    assert len(due) == 1


async def test_an_order_whose_later_event_is_kept_keeps_its_watermark(database: Database) -> None:
    (number, other) = await place_long_ago(database, count=2)
    await note(database, number)
    await scenario.come_back(database, *await scenario.events(database))

    first, second = await forget(database, at_most=1), await forget(database, at_most=1)

    assert first + second == 1
    assert await watermarks(database) == {number: 2}
    assert not await forget(database)
    today = "SELECT day = (now() AT TIME ZONE 'UTC')::date FROM ops.watermarks"
    assert await scenario.value(database, today)
    assert other not in await watermarks(database)


async def test_an_order_that_is_being_recorded_keeps_its_watermark_and_nobody_waits(
    database: Database,
) -> None:
    (number, _) = await place_long_ago(database, count=2)
    async with database.transaction() as connection:
        await connection.execute(
            "SELECT FROM ops.watermarks WHERE order_id = $1 FOR UPDATE", number
        )
        forgotten = await forget(database)

    assert forgotten == 1
    assert list(await watermarks(database)) == [number]


async def test_a_cart_is_forgotten_with_its_day(database: Database) -> None:
    async with database.connection() as connection:
        cart = await storage.carts.add(connection, total_amount=Decimal("1.00"), items=[])
    await services.carts.check_out(database, cart, traceparent=None)
    await scenario.come_back(database, *await scenario.events(database))
    await scenario.value(database, "UPDATE ops.watermarks SET day = '-infinity'")

    kept = await forget(database)
    await scenario.value(database, "UPDATE ops.watermarks SET day = '-infinity'")
    await scenario.value(database, "UPDATE orders.carts SET closed_at = now() - interval '60 days'")
    gone = await forget(database)

    assert (kept, gone) == (0, 1)


@pytest.mark.parametrize("kept", ["all", "none"])
async def test_forgetting_looks_at_no_more_than_it_was_asked_to(
    database: Database, kept: str
) -> None:
    await scenario.value(
        database,
        """
        INSERT INTO ops.watermarks (order_id, sequence, day)
        SELECT n, 1, CASE $1 WHEN 'all' THEN now() ELSE now() - interval '90 days' END
          FROM generate_series(1, 20000) AS n
        """,
        kept,
    )
    await scenario.value(database, "ANALYZE ops.watermarks")

    async with database.transaction() as connection:
        forgotten = await storage.retention.forget_watermarks(connection, at_most=10)
        read = await connection.fetchval(
            "SELECT seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'watermarks'"
        )

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
    before = "INSERT INTO ops.watermarks (order_id) SELECT unnest($1::bigint[])"
    await scenario.value(
        database,
        f"{before} ON CONFLICT (order_id) DO UPDATE SET sequence = watermarks.sequence",
        [gone, going],
    )

    assert await watermarks(database) == {gone: 1, going: 2}


async def test_watermarks_that_were_forgotten_are_back_after_the_way_back(
    database: Database, settings: Settings
) -> None:
    (number,) = await place_long_ago(database)
    await forget(database)
    await note(database, number)

    names = sorted({path.name.split(".")[0] for path in migrations.FOLDER.glob("[0-9]*.sql")})
    newer = len(names) - names.index("0010")
    await asyncio.to_thread(migrations.rollback, settings, newest=newer, agreed=[])

    assert await watermarks(database) == {number: 1}

"""Dead letters are many, and decided about by several at once."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from orderbus import services, storage
from orderbus.errors import Conflict
from orderbus.storage.database import Connection, Database
from tests.integration.test_plans import plans
from tests.support import scenario

NAME = "process_order"


async def failed(database: Database) -> tuple[UUID, int]:
    """Make an order that failed, with the dead letter of its processing."""
    placed = await scenario.place(database)
    await scenario.record(database, await scenario.events(database), wanted={NAME: "order.created"})
    async with database.transaction() as connection:
        await connection.execute("UPDATE orders.orders SET status = 'failed'")
        letter = await connection.fetchval(
            """
            WITH dead AS (
                UPDATE ops.consumptions SET state = 'dead', settled_at = now()
                RETURNING id, consumer, event_id, occurred_at
            )
            INSERT INTO ops.dead_letters
                   (kind, consumption_id, actor, event_id, occurred_at, reason, error)
            SELECT 'consumption', id, consumer, event_id, occurred_at, 'x', 'x' FROM dead
            RETURNING id
            """
        )
    return placed.order_id, letter


async def retry(connection: Connection, order: UUID) -> None:
    await services.processing.retry(connection, str(order), actor=None, seen=None)


async def test_a_retry_that_meets_a_redrive_of_the_same_order_waits_and_holds_no_consumption(
    database: Database,
) -> None:
    order, letter = await failed(database)

    async def retried() -> None:
        async with database.transaction() as connection:
            await retry(connection, order)

    async with database.connection() as watcher:
        async with database.transaction() as connection:
            await storage.dead_letters.lock_open(connection, letter)
            retrying = asyncio.create_task(retried())
            waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'transactionid'"
            mine = f"{waits} AND datname = current_database()"
            while not await watcher.fetchval(mine):
                await asyncio.sleep(0.01)
            free = "SELECT count(*) FROM (SELECT FROM ops.consumptions FOR UPDATE SKIP LOCKED) AS f"
            left_free = await watcher.fetchval(free)
            await services.dead_letters.redrive(connection, letter)
        with pytest.raises(Conflict, match="asked for it before"):
            await retrying

    assert left_free == 1
    assert await scenario.value(database, "SELECT state FROM ops.consumptions") == "pending"
    assert await scenario.value(database, "SELECT note FROM ops.dead_letters") is None


async def test_another_try_is_asked_for_once_and_whoever_asks_again_is_told_so(
    database: Database,
) -> None:
    order, _ = await failed(database)
    async with database.transaction() as connection:
        await retry(connection, order)

    async with database.transaction() as connection:
        with pytest.raises(Conflict, match="asked for it before"):
            await retry(connection, order)

    assert await scenario.value(database, "SELECT resolution FROM ops.dead_letters") == "redriven"


async def test_a_long_list_of_dead_letters_reads_their_events_and_no_others(
    database: Database,
) -> None:
    async with database.connection() as connection:
        await connection.execute(_MANY)
        await connection.execute("ANALYZE ops.events, ops.dead_letters")
        (plan,) = await plans(
            connection,
            "custom",
            lambda c: storage.dead_letters.list_open(c, kind=None, at_most=10_000),
        )
        listed = await storage.dead_letters.list_open(connection, kind="outbox", at_most=10_000)
        named = await storage.dead_letters.list_open_ids(connection, kind="outbox")

    of_events = [node for node in plan.nodes if "events" in node.get("Relation Name", "")]
    assert sum(node["Actual Loops"] * node["Actual Rows"] for node in of_events) <= 300
    assert [row.id for row in listed] == named
    assert len(named) == 300


async def test_dead_letters_are_counted_as_far_as_it_stays_cheap(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO ops.dead_letters (kind, event_id, reason, error)"
            " SELECT 'outbox', gen_random_uuid(), 'x', 'x' FROM generate_series(1, 100001)"
        )
        backlog = await storage.diagnostics.backlog(connection)

    assert (backlog.parked, backlog.dead_letters) == (100_000, 100_000)


_MANY = """
    WITH event AS (
        INSERT INTO ops.events (order_id, order_public_id, order_created_at, sequence, type,
               content)
        SELECT n, gen_random_uuid(), now(), 1, 'order.created', '{}'
          FROM generate_series(1, 5000) AS n
        RETURNING event_id, occurred_at, order_id
    )
    INSERT INTO ops.dead_letters (kind, event_id, occurred_at, reason, error)
    SELECT 'outbox', event_id, occurred_at, 'x', 'x' FROM event WHERE order_id <= 300
"""

"""Dead letters are many, and decided about by several at once."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from orderbus import services, storage
from orderbus.domain.orders import OrderId
from orderbus.errors import Conflict
from orderbus.storage.database import Connection, Database
from tests.support import consumption_rows, letter_rows, order_rows, scenario
from tests.support.plans import plans
from tests.support.waiting import until_true

NAME = "process_order"


async def failed(database: Database) -> tuple[UUID, int]:
    """Make an order that failed, with the dead letter of its processing."""
    placed = await scenario.place(database)
    await scenario.record(database, await scenario.events(database), wanted={NAME: "order.created"})
    await order_rows.fail_all(database)
    await letter_rows.give_up_consumptions(database)
    return placed.order_id, await letter_rows.only_id(database)


async def retry(connection: Connection, order: UUID) -> None:
    await services.processing.retry(connection, str(order), actor=None, seen=None)


async def test_a_retry_that_meets_a_redrive_of_the_same_order_waits_and_holds_no_consumption(
    database: Database,
) -> None:
    order, letter = await failed(database)

    async def retried() -> None:
        async with database.transaction() as connection:
            await retry(connection, order)

    async with database.transaction() as connection:
        await storage.orders.lock(connection, OrderId(order))  # as a redrive does first
        retrying = asyncio.create_task(retried())
        waits = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE wait_event = 'transactionid' AND datname = current_database()"
        )
        await until_true(lambda: scenario.value(database, waits), "the retry waits")
        left_free = await consumption_rows.count_unlocked(database)
        await services.dead_letters.redrive(connection, letter)
    with pytest.raises(Conflict, match="asked for it before"):
        await retrying

    assert left_free == 1
    assert (await consumption_rows.only(database))["state"] == "pending"
    assert (await letter_rows.only(database))["note"] is None


async def test_another_try_is_asked_for_once_and_whoever_asks_again_is_told_so(
    database: Database,
) -> None:
    order, _ = await failed(database)
    async with database.transaction() as connection:
        await retry(connection, order)

    async with database.transaction() as connection:
        with pytest.raises(Conflict, match="asked for it before"):
            await retry(connection, order)

    assert (await letter_rows.only(database))["resolution"] == "redriven"


async def test_a_long_list_of_dead_letters_reads_their_events_and_no_others(
    database: Database,
) -> None:
    await letter_rows.add_among_events(database, 300, events=5000)
    async with database.connection() as connection:
        (plan,) = await plans(
            connection,
            "custom",
            letter_rows.listed,
        )
        listed = await letter_rows.listed(connection, kind="outbox")

    of_events = [node for node in plan.nodes if "events" in node.get("Relation Name", "")]
    assert sum(node["Actual Loops"] * node["Actual Rows"] for node in of_events) <= 300
    assert [row.id for row in listed] == [each["id"] for each in await letter_rows.every(database)]
    assert len(listed) == 300


async def test_dead_letters_are_counted_as_far_as_it_stays_cheap(database: Database) -> None:
    await letter_rows.add_of_lost_events(database, 100_001)
    async with database.connection() as connection:
        backlog = await storage.diagnostics.backlog(connection)

    assert (backlog.parked, backlog.dead_letters) == (100_000, 100_000)

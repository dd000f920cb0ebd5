"""An order to which thousands of things happen at once is ahead of nobody."""

from __future__ import annotations

from datetime import timedelta

from orderbus import services, storage
from orderbus.services.orders import Placed
from orderbus.storage.database import Connection, Database
from orderbus.storage.events import AT_ONCE, Happened
from tests.support import outbox_rows, samples, scenario


async def happen(connection: Connection, order: Placed, times: int) -> None:
    """Let something happen to an order so often, in the caller's transaction."""
    locked = await storage.orders.lock(connection, order.order_id)
    noted = Happened(locked.order_pk, "order.noted", "test", content={"total": "1.00"})
    for _ in range(times):
        await storage.events.append(connection, [noted])


async def happen_at_once(database: Database, order: Placed, times: int) -> None:
    async with database.transaction() as connection:
        await happen(connection, order, times)


async def test_of_thousands_of_events_of_an_order_a_hundred_go_at_once_and_a_hundred_a_second(
    database: Database,
) -> None:
    order = await scenario.place(database)
    await scenario.lease(database)

    await happen_at_once(database, order, 4 * AT_ONCE)

    assert await outbox_rows.seconds_to_wait(database, order.order_id) == [
        *[0] * AT_ONCE,
        *[1] * AT_ONCE,
        *[2] * AT_ONCE,
        *[3] * AT_ONCE,
    ]


async def test_an_order_placed_behind_thousands_of_events_of_another_is_in_the_next_batch(
    database: Database,
) -> None:
    long = await scenario.place(database)
    async with database.transaction() as connection:  # whose time is one and the same
        await happen(connection, long, 6 * AT_ONCE)
        other = await services.orders.accept(connection, samples.order(), traceparent=None)

    leased = await scenario.lease(database, at_most=2 * AT_ONCE)

    assert other.order_id in {each.event.order_id for each in leased if each.event}


async def test_events_of_an_order_wait_for_none_of_it_that_went_out(database: Database) -> None:
    order = await scenario.place(database)
    await happen_at_once(database, order, AT_ONCE - 1)
    assert len(await scenario.lease(database)) == AT_ONCE

    await happen_at_once(database, order, AT_ONCE)

    assert len(await scenario.lease(database)) == AT_ONCE


async def test_all_events_of_an_order_are_due_in_time(database: Database) -> None:
    order = await scenario.place(database)
    await happen_at_once(database, order, 3 * AT_ONCE)
    await outbox_rows.have_waited(database, timedelta(seconds=3))

    leased = await scenario.lease(database)

    assert [each.event.sequence for each in leased if each.event] == [*range(1, 3 * AT_ONCE + 2)]


async def test_what_happens_to_a_long_order_looks_up_one_event_before_it(
    database: Database,
) -> None:
    order = await scenario.place(database)
    await happen_at_once(database, order, 3 * AT_ONCE)

    async with database.transaction() as connection:
        before = await outbox_rows.entries_read(connection)
        await happen(connection, order, 1)
        after = await outbox_rows.entries_read(connection)

    assert after == [count + 1 for count in before]

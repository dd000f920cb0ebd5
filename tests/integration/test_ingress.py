"""201 means committed, once, whole."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from orderbus.errors import Conflict, KeyReused, Unavailable
from orderbus.storage.database import Database
from tests.support import event_rows, order_rows, outbox_rows, scenario


async def test_an_accepted_order_has_items_history_event_and_pointer(database: Database) -> None:
    placed = await scenario.place(database, "SO-10045")

    assert placed.created
    assert await order_rows.count(database) == 1
    assert await order_rows.count_items(database) == 2
    assert await order_rows.count_history(database) == 1
    assert await event_rows.count(database) == 1
    assert await outbox_rows.count(database) == 1


async def test_the_same_order_again_changes_nothing_and_names_the_first(database: Database) -> None:
    first = await scenario.place(database, "SO-10045")

    again = await scenario.place(database, "SO-10045", total="350.00")

    assert (again.created, again.order_id) == (False, first.order_id)
    assert await event_rows.count(database) == 1


async def test_the_same_reference_with_another_content_is_a_conflict(database: Database) -> None:
    await scenario.place(database, "SO-10045")

    with pytest.raises(Conflict):
        await scenario.place(database, "SO-10045", total=351)

    assert await order_rows.totals(database) == ["350.00"]


async def test_an_idempotency_key_stands_for_one_content(database: Database) -> None:
    await scenario.place(database, "SO-1", idempotency_key="k")

    with pytest.raises(KeyReused):
        await scenario.place(database, "SO-2", idempotency_key="k")

    assert await order_rows.count(database) == 1


async def test_of_a_hundred_simultaneous_copies_one_creates_the_order(database: Database) -> None:
    placed = await asyncio.gather(*(scenario.place(database, "SO-10045") for _ in range(100)))

    assert sum(one.created for one in placed) == 1
    assert len({one.order_id for one in placed}) == 1


async def test_a_total_that_differs_from_the_lines_is_kept_and_noted(database: Database) -> None:
    await scenario.place(database, total=365.5)

    assert await order_rows.details(database) == [{"items_total": "350.00"}]


async def test_events_of_one_order_are_numbered_without_a_gap_under_64_writers(
    database: Database,
) -> None:
    orders = [await scenario.place(database) for _ in range(4)]

    await asyncio.gather(*(scenario.append(database, orders[n % 4]) for n in range(64)))

    assert await event_rows.numbers(database) == [list(range(1, 18))] * 4


async def test_a_missing_partition_is_our_fault_and_never_bad_input(database: Database) -> None:
    await event_rows.drop_every_day(database)

    with pytest.raises(Unavailable, match="orderbus migrate"):
        await scenario.place(database)

    assert await order_rows.count(database) == 0


@pytest.mark.parametrize("forge", [event_rows.forge, order_rows.forge_history])
async def test_what_happened_cannot_be_changed(
    database: Database, forge: Callable[[Database], Awaitable[None]]
) -> None:
    await scenario.place(database)

    with pytest.raises(Exception, match="append-only"):
        await forge(database)

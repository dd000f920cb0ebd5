"""A batch that came back is recorded in two statements, and no row is written twice for it."""

from __future__ import annotations

from orderbus import services
from orderbus.storage.database import Database
from tests.integration.test_inbox import messages
from tests.support import delivery_rows, row_counts, scenario, statements, watermark_rows

WANTED = {"audit": "*", "count_event": "*.created"}


async def test_a_batch_of_new_orders_is_recorded_by_two_statements_and_one_commit(
    database: Database,
) -> None:
    await scenario.add_endpoint(database)
    await scenario.place(database)
    await services.inbox.receive(database, await messages(database), wanted=WANTED)  # learns types
    for _ in range(20):
        await scenario.place(database)
    batch = await messages(database)

    with statements.recorded() as sent:
        due = await services.inbox.receive(database, batch, wanted=WANTED)

    assert len(due.deliveries) == 20
    assert [statement for statement in sent if statement in {"BEGIN;", "COMMIT;"}] == [
        "BEGIN;",
        "COMMIT;",
    ]
    assert len(sent) == 4, sent


async def test_no_row_is_written_a_second_time_for_orders_that_come_back_first(
    database: Database,
) -> None:
    for ordering in ("order", "none"):
        await scenario.add_endpoint(database, ordering=ordering)
    orders = [await scenario.place(database) for _ in range(3)]
    for _ in range(2):
        await scenario.append(database, orders[0])
    events = await scenario.events(database)

    async with row_counts.transaction(database) as counted:
        due = (await services.inbox.record(counted.connection, events, wanted=WANTED)).deliveries
        updated = await counted.updated("ops")

    assert updated == 0
    assert await scenario.due(database) == sorted(due)
    assert len(due) == 3 + 5, "the first of each order, and all where order does not matter"
    assert sorted((await watermark_rows.by_order(database)).values()) == [1, 1, 3]


async def test_a_first_event_that_comes_with_a_gap_behind_it_lets_go_what_has_none(
    database: Database,
) -> None:
    await scenario.add_endpoint(database)
    order = await scenario.place(database)
    for _ in range(4):
        await scenario.append(database, order)
    first, second, third, fourth, fifth = await scenario.events(database)

    (due,) = await scenario.come_back(database, first, second, fourth, first)
    before = await watermark_rows.by_order(database)
    await scenario.come_back(database, fifth, third)

    assert list(before.values()) == [2]
    assert list((await watermark_rows.by_order(database)).values()) == [5]
    assert await scenario.due(database) == [due]
    assert await delivery_rows.count_forgotten(database) == 0


async def test_what_comes_back_last_lets_go_what_came_too_early(database: Database) -> None:
    await scenario.add_endpoint(database)
    order = await scenario.place(database)
    for _ in range(2):
        await scenario.append(database, order)
    first, second, third = await scenario.events(database)

    assert await scenario.come_back(database, third) == []
    assert await scenario.come_back(database, second) == []
    (due,) = await scenario.come_back(database, first)

    assert (await delivery_rows.ids(database))[0] == due
    assert await scenario.due(database) == [due]

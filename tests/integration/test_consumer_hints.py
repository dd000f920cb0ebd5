"""Workers are told of what their consumers have to do: once, and of no more than they take."""

from __future__ import annotations

from datetime import timedelta

from orderbus import services, storage
from orderbus.storage.database import Database
from tests.support import consumption_rows, letter_rows, scenario
from tests.support.consuming import come_back, one_due
from tests.support.waiting import until_async, until_true
from tests.support.worker_process import Start, send


async def test_the_beat_tells_of_what_is_due_and_of_nothing_twice(database: Database) -> None:
    due = await one_due(database)
    await consumption_rows.forget_hints(database)

    told = await services.consumptions.due_to_enqueue(database, ["count_event", "other"])
    again = await services.consumptions.due_to_enqueue(database, ["count_event"])
    unknown = await services.consumptions.due_to_enqueue(database, ["other"])

    assert (told, again, unknown) == ({"count_event": [due]}, {}, {})


async def test_a_consumer_is_told_of_no_more_than_it_can_take_and_harms_no_other(
    database: Database,
) -> None:
    for _ in range(5):
        await scenario.place(database)
    await come_back(database, {"slow": "*", "quick": "*"})
    await consumption_rows.forget_hints(database)

    async def told() -> dict[str, int]:
        async with database.connection() as connection:
            found = await storage.consumptions.hint(
                connection, ["slow", "quick"], at_most=3, again_after=timedelta(hours=1)
            )
        return {name: len(ids) for name, ids in found.items()}

    assert await told() == {"slow": 3, "quick": 3}
    assert await told() == {}
    await consumption_rows.finish_hinted(database, "quick")
    assert await told() == {"quick": 2}
    await consumption_rows.let_hints_be_lost(database)
    assert await told() == {"slow": 3, "quick": 2}


async def test_a_worker_hints_only_at_the_work_that_it_does(
    database: Database, start: Start
) -> None:
    await consumption_rows.add(database, "process_order", "count_event")
    start("--processes", "1", "--threads", "2", "--queues", "count_event")

    await until_true(lambda: letter_rows.count(database), "what it does is done")

    assert await consumption_rows.count_hinted(database, "process_order") == 0


async def test_messages_of_other_versions_are_understood(
    database: Database, start: Start, rabbitmq_url: str
) -> None:
    for _ in range(2):
        await scenario.place(database)
    first, second = (await come_back(database, {"count_event": "*"}))["count_event"]
    worker = start("--processes", "1", "--threads", "2", "--queues", "count_event")
    await until_async(worker.is_ready, "it is ready")

    send(rabbitmq_url, "count_event", "count_event", consumption=first)
    send(rabbitmq_url, "count_event", "count_event", consumption=second, of_a_later="version")

    async def both() -> bool:
        return await consumption_rows.counted(database) == 2

    await until_true(both, "both are counted")
    assert await letter_rows.count(database) == 0

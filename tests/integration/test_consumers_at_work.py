"""What is due to a consumer is taken by workers that do its work, however they are woken up."""

from __future__ import annotations

import asyncio

from orderbus.storage.database import Database
from tests.support import consumption_rows, letter_rows, scenario
from tests.support.consuming import come_back
from tests.support.waiting import until_async, until_true
from tests.support.worker_process import Start, send


async def test_a_worker_takes_only_the_work_that_it_does_and_needs_no_message_for_it(
    database: Database, start: Start
) -> None:
    await consumption_rows.add(database, "process_order", "count_event")
    start("--processes", "1", "--threads", "2", "--queues", "count_event")

    await until_true(lambda: letter_rows.count(database), "what it does is done")

    assert await consumption_rows.attempts(database, "process_order") == 0


async def test_messages_of_other_versions_are_understood(
    database: Database, start: Start, rabbitmq_url: str
) -> None:
    worker = start(
        *("--processes", "1", "--threads", "2", "--queues", "count_event"),
        ORDERBUS_POLL_INTERVAL="60",
    )
    await until_async(worker.is_ready, "it is ready")
    for _ in range(2):
        await scenario.place(database)
    first, second = (await come_back(database, {"count_event": "*"}))["count_event"]

    send(rabbitmq_url, "count_event", "count_event", consumption=first)
    send(rabbitmq_url, "count_event", "count_event", consumption=second, of_a_later="version")

    async def both() -> bool:
        return await consumption_rows.counted(database) == 2

    async with asyncio.timeout(40):  # before it looks by itself
        await until_true(both, "both are counted")
    assert await letter_rows.count(database) == 0

"""Endpoints that hang hold up nobody else: their exchanges hold no connection, and few places."""

from __future__ import annotations

import asyncio

from orderbus.egress.session import Session
from orderbus.services import pacing
from orderbus.settings import Settings
from orderbus.storage.database import Database, open_database
from tests.integration.test_deliveries import deliver_all
from tests.support import consumption_rows, scenario
from tests.support.receiver import Receiver
from tests.support.waiting import PATIENCE, until_here

ORDERS = 20
HANGING = 5


async def test_five_endpoints_that_hang_hold_up_neither_another_one_nor_the_consumers(
    database: Database, settings: Settings, http: Session, receiver: Receiver
) -> None:
    sure = settings.model_copy(update={"processing_success_rate": 1.0, "db_pool_size": 2})
    wanted = {"process_order": "order.created", "count_event": "order.created"}
    async with Receiver().listening() as hanging, open_database(sure) as two_connections:
        hanging.may_answer.clear()
        for _ in range(HANGING):
            await scenario.add_endpoint(database, hanging.url)
        await scenario.add_endpoint(database, receiver.url)
        for _ in range(ORDERS):
            await scenario.place(database)
        await scenario.record(database, await scenario.events(database), wanted=wanted)

        delivering = asyncio.create_task(deliver_all(two_connections, http, sure))
        await until_here(lambda: len(hanging.requests) >= HANGING * pacing.FIRST, "all five hang")
        async with asyncio.timeout(PATIENCE):
            for consumer in wanted:
                await scenario.consume(two_connections, sure, consumer)
        await until_here(lambda: len(receiver.requests) == ORDERS, "the healthy one has everything")
        pending = [await consumption_rows.pending(database, consumer) for consumer in wanted]
        delivering.cancel()
        await asyncio.gather(delivering, return_exceptions=True)
        answered = list(hanging.accepted)

    assert pending == [[], []]
    assert answered == [], "they hung all the while"

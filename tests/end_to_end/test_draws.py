"""What a worker drew for orders stays theirs, although it was killed and others draw otherwise."""

from __future__ import annotations

import pytest

from tests.support import consumption_rows, order_rows
from tests.support.system import System

pytestmark = pytest.mark.timeout(300)

ORDERS = 5


async def test_a_killed_worker_is_followed_by_one_that_says_what_was_drawn(system: System) -> None:
    system.env |= {"ORDERBUS_PROCESSOR": "random", "PROCESSING_SUCCESS_RATE": "1"}
    await system.start_all(but="workers")
    point = "worker between processing and its commit"
    dying = await system.start("workers", killed_at=point, ready=False)
    for _ in range(ORDERS):
        await system.post()
    await system.killed(dying)
    begun = await order_rows.draws(system.database)

    system.env["PROCESSING_SUCCESS_RATE"] = "0"
    await system.end_leases()
    await system.start("workers")

    async def processed() -> bool:
        await consumption_rows.hurry(system.database)
        found = await order_rows.statuses(system.database)
        return len(found) == ORDERS and set(found) <= {"completed", "failed"}

    await system.until(processed, "all are processed")
    ended = await order_rows.draws(system.database)
    assert begun
    assert {drawn for drawn, _ in begun.values()} == {True}
    assert {order: ended[order] for order in begun} == dict.fromkeys(begun, (True, "completed"))
    assert {ended[order] for order in ended.keys() - begun.keys()} <= {(False, "failed")}

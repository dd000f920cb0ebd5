"""Whatever happens to an endpoint and a delivery at once, the delivery is sent or settled."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from contextlib import suppress

from orderbus import storage
from orderbus.errors import Busy, NotFound
from orderbus.storage.database import Database
from tests.integration.test_lock_order import CALLS
from tests.support import delivery_rows, event_rows, locked_world, waiting
from tests.support.locked_world import World

#: What decides whether a delivery is sent, each in a transaction of its own as in real life.
DECIDING = (
    *("deliveries.claim", "deliveries.settle", "delivery_acts.redrive", "endpoints.disable"),
    *("delivery_acts.skip", "delivery_acts.resend"),
    *("endpoint_changes.lock", "endpoints.remove", "owed.skip", "owed.release", "inbox.add"),
)


async def test_whichever_two_meet_no_delivery_is_left_behind(
    database: Database,
) -> None:
    world = await locked_world.make(database)
    await event_rows.lose_all(database)
    left: dict[tuple[str, str], tuple[int, int]] = {}
    for first, second in itertools.combinations_with_replacement(DECIDING, 2):
        here = await locked_world.again(database, world)

        async def alone(name: str, world: World = here) -> bool:
            with suppress(Busy):  # whoever calls it tries again
                async with database.connection() as connection:
                    with suppress(NotFound):  # the other one removed it
                        await CALLS[name](connection, world)
                return True
            return False

        async def until_done(name: str, work: Callable[[str], Awaitable[bool]] = alone) -> None:
            await waiting.until_true(lambda: work(name), f"{name} is no longer busy")

        await asyncio.gather(until_done(first), until_done(second))
        async with database.connection() as connection:
            await storage.owed.skip(connection, at_most=1000)
        left[first, second] = (
            await delivery_rows.count_left_behind(database),
            await delivery_rows.count_forgotten(database),
        )

    assert {pair: counts for pair, counts in left.items() if any(counts)} == {}

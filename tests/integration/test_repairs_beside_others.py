"""Who comes while a restored database is repaired: nobody gives an old number, and one repairs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orderbus import services, storage
from orderbus.errors import Conflict
from orderbus.settings import Settings
from orderbus.storage.database import Database, open_database
from tests.support import scenario
from tests.support.waiting import until_true

MARGIN = 50


async def repaired(database: Database) -> None:
    compared = await services.restores.compare(database, [])
    await services.restores.repair(database, compared, margin=MARGIN, actor="test", reason="test")


async def test_whoever_begins_while_a_repair_goes_on_waits_for_it_and_gives_a_number_behind_it(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await scenario.place(database)
    alone, go_on = asyncio.Event(), asyncio.Event()
    lift = storage.restores.lift

    async def lift_later(*given: Any, **named: Any) -> Any:
        alone.set()
        await go_on.wait()
        return await lift(*given, **named)

    monkeypatch.setattr(storage.restores, "lift", lift_later)
    async with open_database(settings, name=storage.restores.NAME) as own:
        repairing = asyncio.create_task(repaired(database))
        await alone.wait()
        async with open_database(settings) as other:
            giving = asyncio.create_task(scenario.append(other, order))
            await until_true(lambda: _somebody_waits(own), "whoever gives a number waits")
            go_on.set()
            given = await giving
        await repairing

    assert given == 1 + MARGIN + 1


async def _somebody_waits(database: Database) -> bool:
    return await scenario.count_who_wait(database) == 1


async def test_a_second_repair_is_told_that_one_goes_on(
    database: Database, settings: Settings
) -> None:
    order = await scenario.place(database)
    async with (
        open_database(settings, name=storage.restores.NAME) as other,
        other.transaction() as connection,
    ):
        await storage.restores.keep_others_out(connection)
        with pytest.raises(Conflict, match="Another restore-check"):
            await repaired(database)

    assert await scenario.append(database, order) == 2

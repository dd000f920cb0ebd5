"""A table that grows is counted at once: plans made while it was tiny are made anew."""

from __future__ import annotations

from orderbus.services.maintenance import Maintenance
from orderbus.storage.database import Database
from tests.support import counting


async def test_a_table_that_grew_past_a_thousand_rows_is_counted_once(database: Database) -> None:
    async with database.connection() as connection:
        await counting.add_pointers(connection, 1500)

        await Maintenance(database).tick()
        await counting.tell(connection)
        await Maintenance(database).tick()

    assert await counting.times_and_rows(database) == (1, 1500)


async def test_a_table_that_is_small_is_not_counted(database: Database) -> None:
    async with database.connection() as connection:
        await counting.add_pointers(connection, 900)

        await Maintenance(database).tick()

    assert await counting.times_and_rows(database) == (0, -1)


async def test_a_table_that_somebody_has_locked_is_counted_another_time(database: Database) -> None:
    async with database.connection() as connection:
        await counting.add_pointers(connection, 1500)
        async with database.transaction() as other:
            await counting.lock(other)

            await Maintenance(database).tick()

            assert (await counting.times_and_rows(database))[0] == 0
        await Maintenance(database).tick()

    assert await counting.times_and_rows(database) == (1, 1500)

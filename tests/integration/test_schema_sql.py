"""``migrations/schema.sql`` shows what the migrations make, and is none of them."""

from __future__ import annotations

import asyncio

import pytest

from orderbus.devtools import postgres
from orderbus.errors import Misconfigured
from orderbus.settings import Settings
from orderbus.storage import migrations
from orderbus.storage.database import Database
from scripts import write_schema
from tests.support import event_rows, table_rows


async def written(settings: Settings) -> str:
    """Write down the schema of the test's own database, as ``make schema`` does."""
    binaries = postgres.binaries() or postgres.wheel()
    if binaries is None:
        pytest.skip("pg_dump is not installed")
    try:
        return await asyncio.to_thread(write_schema.dump, settings, binaries)
    except Misconfigured as error:
        pytest.skip(str(error))


async def test_the_schema_as_it_is_written_down_is_what_the_migrations_make(
    settings: Settings,
) -> None:
    made = await written(settings)

    assert made == write_schema.FILE.read_text(), "run `make schema`"


async def test_a_new_day_changes_nothing_in_what_is_written_down(
    settings: Settings, database: Database
) -> None:
    before = await written(settings)

    await event_rows.make_day_ahead(database, 40)

    assert await written(settings) == before


async def test_a_column_that_no_migration_makes_is_seen(
    settings: Settings, database: Database
) -> None:
    await table_rows.add_column(database, "orders.orders", "extra")

    assert await written(settings) != write_schema.FILE.read_text()


async def test_the_schema_that_is_written_down_is_no_migration(settings: Settings) -> None:
    level = await asyncio.to_thread(migrations.level, settings)

    assert (level.missing, level.unknown) == ([], [])
    assert write_schema.FILE.parent == migrations.FOLDER

"""The schema goes up, down and up again, keeps its partitions, and uses its indexes."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from orderbus import storage
from orderbus.services.maintenance import DAYS_AHEAD
from orderbus.settings import Settings
from orderbus.storage import migrations
from orderbus.storage.database import Database
from tests.support import old_rows, scenario


async def _objects(database: Database) -> Any:
    return await scenario.value(
        database,
        """
        SELECT array_agg(nspname || '.' || relname || ':' || relkind::text
                         ORDER BY nspname, relname)
          FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
         WHERE nspname IN ('orders', 'ops', 'identity')
        """,
    )


async def test_every_migration_goes_up_down_and_up_again(
    database: Database, settings: Settings
) -> None:
    before = await _objects(database)

    undone = await asyncio.to_thread(migrations.rollback, settings, newest=100, agreed=[])
    emptied = await _objects(database)
    applied = await asyncio.to_thread(migrations.migrate, settings)

    assert undone == applied[::-1]
    assert emptied is None
    assert await _objects(database) == before


async def test_two_starters_migrate_one_after_the_other(settings: Settings) -> None:
    def migrate() -> list[str]:
        with migrations.locked(settings, wait=timedelta(seconds=20), waiting=print):
            return migrations.migrate(settings)

    await asyncio.to_thread(migrations.rollback, settings, newest=100, agreed=[])
    first, second = await asyncio.gather(asyncio.to_thread(migrate), asyncio.to_thread(migrate))

    assert sorted([len(first), len(second)]) == [0, len(first) + len(second)]


async def test_partitions_are_there_well_ahead(database: Database) -> None:
    async with database.connection() as connection:
        horizon = await storage.maintenance.horizon(connection)

    assert horizon >= timedelta(days=14)
    assert DAYS_AHEAD >= 14


@pytest.mark.parametrize("needed_by", ["pointer", "delivery", "nothing"])
async def test_an_old_day_is_dropped_only_when_nothing_needs_it(
    database: Database, needed_by: str
) -> None:
    async with database.connection() as connection:
        day = await old_rows.make_day(connection)
        await scenario.add_endpoint(database)
        await connection.execute(
            f"""
            INSERT INTO ops.outbox (event_id, occurred_at)
            SELECT gen_random_uuid(), '{day} 12:00+00' WHERE $1 = 'pointer'
            """,
            needed_by,
        )
        await connection.execute(
            f"""
            INSERT INTO ops.webhook_deliveries
                   (endpoint_id, event_id, occurred_at, order_id, sequence)
            SELECT id, gen_random_uuid(), '{day} 12:00+00', 1, 1
              FROM ops.webhook_endpoints WHERE $1 = 'delivery'
            """,
            needed_by,
        )

        old = await storage.retention.list_old_days(connection, keep=timedelta(days=35))

    assert old == ([day] if needed_by == "nothing" else [])


async def test_the_days_that_are_kept_are_told_whatever_other_tables_are_called(
    database: Database,
) -> None:
    query = "SELECT count(*) FROM ops.kept_days WHERE day >= (now() AT TIME ZONE 'UTC')::date"

    assert await scenario.value(database, query) == DAYS_AHEAD + 1


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("SELECT FROM ops.outbox WHERE due_at <= now() ORDER BY due_at LIMIT 9", "outbox_due"),
        (
            "SELECT FROM ops.webhook_deliveries WHERE order_id = 1 AND sequence < 5"
            " AND endpoint_id = gen_random_uuid() AND state IN ('pending', 'held')",
            "deliveries_in_line",
        ),
        (
            "SELECT FROM ops.webhook_deliveries WHERE endpoint_id = gen_random_uuid()"
            " AND lease IS NOT NULL",
            "deliveries_in_flight",
        ),
        ("SELECT FROM orders.orders WHERE external_ref = 'SO-1'", "orders_by_reference"),
    ],
)
async def test_what_is_asked_all_the_time_uses_an_index(
    database: Database, query: str, index: str
) -> None:
    async with database.connection() as connection:
        await connection.execute("SET enable_seqscan = off")
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {query}"))

    assert index in plan

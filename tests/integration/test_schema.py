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
from tests.support import delivery_rows, event_rows, old_rows, outbox_rows, scenario, table_rows


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

    assert undone.names == applied[::-1]
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
    if needed_by == "pointer":
        await outbox_rows.add_pointer(database, day)
    if needed_by == "delivery":
        await delivery_rows.add_one_per_endpoint(database, day)

    async with database.connection() as connection:
        old = await storage.retention.list_old_days(connection, keep=timedelta(days=35))

    assert old == ([day] if needed_by == "nothing" else [])


async def test_the_days_that_are_kept_are_told_whatever_other_tables_are_called(
    database: Database,
) -> None:
    assert await event_rows.count_days_ahead(database) == DAYS_AHEAD + 1


async def test_the_processing_of_an_order_knows_the_order_by_its_id_and_nothing_else(
    database: Database,
) -> None:
    """So it can move to a database of its own, as it had before: docs/decisions/0007 says how."""
    assert await table_rows.references(database, "orders.order_processing") == [
        "orders.order_processing.order_id -> orders.orders"
    ]


@pytest.mark.parametrize(
    ("table", "where", "index"),
    [
        ("ops.outbox", "due_at <= now() ORDER BY due_at LIMIT 9", "outbox_due"),
        (
            "ops.webhook_deliveries",
            "order_id = 1 AND sequence < 5"
            " AND endpoint_id = gen_random_uuid() AND state IN ('pending', 'held')",
            "deliveries_in_line",
        ),
        (
            "ops.webhook_deliveries",
            "endpoint_id = gen_random_uuid() AND lease IS NOT NULL",
            "deliveries_in_flight",
        ),
        ("orders.orders", "external_ref = 'SO-1'", "one_order_per_reference"),
        (
            "orders.orders",
            "source = 'webhook' AND external_ref = 'SO-1'",
            "one_order_per_reference",
        ),
        (
            "orders.orders",
            "source = 'webhook' AND idempotency_key = 'k'",
            "one_order_per_idempotency_key",
        ),
        ("orders.orders", "cart_uuid = gen_random_uuid()", "orders_cart_uuid_key"),
    ],
)
async def test_what_is_asked_all_the_time_uses_an_index(
    database: Database, table: str, where: str, index: str
) -> None:
    assert index in await table_rows.plan(database, table, where)

"""No hop of the way reads a table from end to end, whenever its statements were prepared.

A prepared statement keeps its plan while the day's partition goes from empty to millions of rows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest

from orderbus import storage
from orderbus.settings import Settings
from orderbus.storage.database import Connection, Database, open_database
from tests.support import many_rows, scenario
from tests.support.travel import Travel
from tests.support.waiting import PATIENCE, until_true

EVENTS = 32_000
#: Rows and entries of indexes that a hop may read for one order; all of a table are 400 and more.
BOUND = 250

#: Rows read from each table from end to end, and entries read from its indexes.
_READ = """
    SELECT class.oid::regclass::text AS name,
           pg_stat_get_tuples_returned(class.oid) AS end_to_end,
           coalesce((SELECT sum(pg_stat_get_tuples_returned(indexrelid)
                                + pg_stat_get_tuples_fetched(indexrelid))
                       FROM pg_index WHERE indrelid = class.oid), 0)::bigint AS by_index
      FROM pg_class AS class
     WHERE relnamespace IN ('ops'::regnamespace, 'orders'::regnamespace) AND relkind = 'r'
"""


@pytest.fixture
async def watch(database: Database) -> AsyncIterator[Connection]:
    """A session that looks on; only the test has PostgreSQL count rows."""
    async with database.connection() as connection:
        summarize = "ALTER INDEX orders.order_history_by_time SET (autosummarize = off)"
        await connection.execute(summarize)
        for row in await connection.fetch(_READ):
            await connection.execute(f"ALTER TABLE {row['name']} SET (autovacuum_enabled = off)")
        yield connection


_NO_SNAPSHOT = """
    SELECT count(*) = 0 FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_xmin IS NOT NULL
"""


async def _read(watch: Connection, database: Database) -> dict[str, tuple[int, int]]:
    await scenario.value(database, "SELECT pg_stat_force_next_flush()")
    rows = await watch.fetch(_READ)
    return {row["name"]: (row["end_to_end"], row["by_index"]) for row in rows}


async def _faults(watch: Connection, travel: Travel) -> dict[str, str]:
    """Let orders travel; list what their hops read and did not need."""
    faults = {}
    for hop, work in travel.hops().items():
        # Beside somebody's snapshot, as of an autovacuum, entries of gone rows are read again.
        await until_true(lambda: watch.fetchval(_NO_SNAPSHOT), "nobody else has a snapshot")
        before = await _read(watch, travel.database)
        await work()
        after = await _read(watch, travel.database)
        for table, (end_to_end, by_index) in after.items():
            rows = end_to_end - before[table][0]
            entries = by_index - before[table][1]
            if max(rows, entries) > BOUND * travel.orders:
                faults[f"{hop}, {table}"] = f"{rows} from end to end, {entries} by index"
    assert len(travel.claimed) == travel.orders
    return faults


@pytest.mark.parametrize("rows_when_counted", [None, 2, 160])
async def test_statements_prepared_on_an_empty_day_keep_to_their_indexes_when_it_fills(
    settings: Settings, watch: Connection, database: Database, rows_when_counted: int | None
) -> None:
    one_session = settings.model_copy(update={"db_pool_size": 1})
    endpoint = await scenario.add_endpoint(database)
    async with AsyncExitStack() as stack:
        since_midnight, custom, generic = [
            await stack.enter_async_context(open_database(one_session)) for _ in range(3)
        ]
        for mode, session in (("custom", custom), ("generic", generic)):
            query = "SELECT set_config('plan_cache_mode', $1, false)"
            await scenario.value(session, query, f"force_{mode}_plan")
        travel = Travel(since_midnight, settings, orders=(rows_when_counted or 16) // 2)

        await travel.on()
        if rows_when_counted is not None:
            await watch.execute("ANALYZE", timeout=PATIENCE)
        for _ in range(6):  # PostgreSQL keeps a plan from the sixth time on
            await travel.on()
        async with watch.transaction():
            await many_rows.a_busy_day(watch, endpoint, EVENTS)
        travel.orders = 40
        faults = []
        for _ in range(2):
            for travel.database in (since_midnight, custom, generic):
                faults.append(await _faults(watch, travel))
            await watch.execute("ANALYZE", timeout=PATIENCE)

    assert faults == [{}] * 6


async def test_a_lease_looks_through_what_is_due_once(database: Database) -> None:
    await scenario.place(database)
    scans = "SELECT pg_stat_get_xact_numscans('ops.outbox_due'::regclass)"

    async with database.transaction() as connection:
        before = await connection.fetchval(scans)
        assert await storage.outbox.lease(connection, uuid4(), at_most=9, length=scenario.LEASE)
        after = await connection.fetchval(scans)

    assert after == before + 1

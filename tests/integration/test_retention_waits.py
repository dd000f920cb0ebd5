"""Nobody waits for what lets go of the old: which locks it takes, and how it finds its rows."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest

from orderbus import storage
from orderbus.services import maintenance, retention
from orderbus.services.retention import AT_MOST
from orderbus.settings import Settings
from orderbus.storage.database import Database
from orderbus.storage.retention import Bounds
from tests.support import event_rows, old_rows, retention_rows, scenario, table_rows
from tests.support.waiting import PATIENCE

#: Locks that no INSERT, UPDATE or SELECT ever waits for.
HARMLESS = {"AccessShareLock", "RowShareLock", "RowExclusiveLock", "ShareUpdateExclusiveLock"}
ONE_ROUND = """
import asyncio
from orderbus import services, settings
from orderbus.storage.database import open_database

async def main():
    loaded = settings.load()
    async with open_database(loaded) as database:
        await services.retention.tick(database, loaded)

asyncio.run(main())
"""


async def test_no_order_waits_while_the_partitions_of_days_ahead_are_made(
    database: Database,
) -> None:
    async with database.transaction() as connection:
        made = await storage.maintenance.make_ahead(connection, days=maintenance.DAYS_AHEAD + 2)
        held = await connection.fetch(
            "SELECT DISTINCT mode FROM pg_locks WHERE pid = pg_backend_pid()"
            " AND relation IN ('ops.events'::regclass, 'ops.inbox'::regclass)"
        )

    assert made == 4
    assert {row["mode"] for row in held} <= HARMLESS


async def test_a_partition_that_was_attached_is_like_one_that_was_made_in_place(
    database: Database,
) -> None:
    await event_rows.make_day_ahead(database, 22)
    async with database.connection() as connection:
        await old_rows.make_day(connection, ago=90)
        rows = await connection.fetch(
            """
            SELECT to_jsonb(array_agg(DISTINCT things.what ORDER BY things.what)) AS parts
              FROM pg_inherits
             CROSS JOIN LATERAL (
                    SELECT 'column ' || attname || attnum || format_type(atttypid, atttypmod)
                           || attnotnull || coalesce(pg_get_expr(adbin, adrelid), '') AS what
                      FROM pg_attribute
                      LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
                     WHERE attrelid = inhrelid AND attnum > 0
                     UNION ALL
                    SELECT 'constraint ' || contype::text || pg_get_constraintdef(oid)
                      FROM pg_constraint WHERE conrelid = inhrelid
                     UNION ALL
                    SELECT 'trigger ' || tgname FROM pg_trigger WHERE tgrelid = inhrelid
                     UNION ALL
                    SELECT 'index ' || indkey::text || indisunique
                           || EXISTS (SELECT FROM pg_inherits AS of WHERE of.inhrelid = indexrelid)
                      FROM pg_index WHERE indrelid = inhrelid) AS things
             WHERE inhparent IN ('ops.events'::regclass, 'ops.inbox'::regclass)
             GROUP BY inhparent, inhrelid
            """
        )

    assert len({str(row["parts"]) for row in rows}) == 2


async def test_while_rows_are_deleted_no_order_and_no_bridge_waits(database: Database) -> None:
    await old_rows.deliveries(database, 3, state="delivered")
    await old_rows.letters(database, 3, "redriven")
    await old_rows.consumptions(database, 3)
    await old_rows.answers(database, 3)
    delete = storage.retention

    async with database.transaction() as connection:
        gone = [
            (await each(connection, Bounds(timedelta(1), at_most=9))).rows
            for each in (
                delete.delete_consumptions,
                delete.delete_deliveries,
                delete.delete_dead_letters,
                delete.delete_answers,
            )
        ]
        held = await retention_rows.locks(connection)

    assert gone == [3, 3, 3, 3]
    assert held <= HARMLESS


async def test_a_day_that_a_long_query_reads_is_dropped_later_and_orders_come_in_meanwhile(
    database: Database, settings: Settings
) -> None:
    async with database.connection() as connection:
        day = await old_rows.make_day(connection)

    async with database.transaction() as reader:
        await table_rows.lock_as_a_reader(reader, "ops.events")
        await asyncio.gather(retention.tick(database, settings), scenario.place(database))
        while_read = await event_rows.is_day_kept(database, day)
    await retention_rows.make_due(database)
    await retention.tick(database, settings)

    assert while_read
    assert not await event_rows.is_day_kept(database, day)


async def test_whoever_drops_a_day_waits_for_a_lock_for_a_tenth_of_a_second_at_most(
    database: Database,
) -> None:
    """All orders wait behind it."""
    waits = await scenario.value(
        database, "SELECT proconfig FROM pg_proc WHERE oid = 'ops.drop_day'::regproc"
    )

    assert "lock_timeout=100ms" in waits


@asynccontextmanager
async def one_round(
    database: Database, env: dict[str, str]
) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """Run a round in a process of its own until it waits to delete the last kind of rows."""
    async with database.transaction() as connection:
        await retention_rows.hold_answers(connection)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", ONE_ROUND, env={**os.environ, **env, "DEBUG": "true"}
        )
        try:
            yield process, await waiting(database)
        except BaseException:
            await end(process)
            raise


async def end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()


async def waiting(database: Database) -> int:
    """Wait until a session waits for a lock; returns its process's number."""
    session: int = await true(
        database,
        "SELECT pid FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'",
    )
    return session


async def true(database: Database, query: str, *arguments: object) -> Any:
    async with asyncio.timeout(PATIENCE):
        while not (found := await scenario.value(database, query, *arguments)):
            await asyncio.sleep(0.05)
    return found


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSTOP])
async def test_another_process_goes_on_where_one_was_killed_or_stopped(
    database: Database, env: dict[str, str], settings: Settings, sent: signal.Signals
) -> None:
    await old_rows.deliveries(database, AT_MOST + 1, state="delivered")
    await old_rows.answers(database, 1)

    async with one_round(database, env) as (process, session):
        process.send_signal(sent)
    await true(
        database,
        "SELECT NOT EXISTS (SELECT FROM pg_stat_activity"
        "                    WHERE pid = $1 AND wait_event_type = 'Lock')",
        session,
    )
    left, held = await left_and_locks(database, session)
    await retention.tick(database, settings)
    while_leased = (await old_rows.counts(database))["deliveries"]
    await retention_rows.make_due(database)  # the lease ends
    await retention.tick(database, settings)
    await end(process)

    assert (left, held, while_leased) == (1, set(), 1)
    assert set((await old_rows.counts(database)).values()) == {0}


async def left_and_locks(database: Database, session: int) -> tuple[int, set[str]]:
    async with database.connection() as connection:
        return (await old_rows.counts(database))["deliveries"], await retention_rows.locks(
            connection, session
        )


async def test_the_locks_of_a_process_that_stopped_in_the_middle_of_a_statement_are_freed(
    database: Database, env: dict[str, str]
) -> None:
    """PostgreSQL takes such a session for active, so none of its own limits ends it."""
    async with one_round(database, env) as (process, session):
        process.send_signal(signal.SIGSTOP)
    await true(
        database,
        "SELECT state = 'active' AND wait_event = 'ClientRead'"
        "  FROM pg_stat_activity WHERE pid = $1",
        session,
    )
    async with database.connection() as connection:
        spared = await storage.maintenance.end_frozen_sessions(
            connection, silent_for=timedelta(hours=1)
        )
        ended = await storage.maintenance.end_frozen_sessions(connection, silent_for=timedelta(0))
    await true(database, "SELECT NOT EXISTS (SELECT FROM pg_locks WHERE pid = $1)", session)
    await end(process)

    assert (spared, ended) == (0, 1)

"""What is old is found by an index, past all that may not go yet."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from orderbus import storage
from orderbus.services.retention import AT_MOST
from orderbus.storage.database import Connection, Database
from orderbus.storage.retention import Bounds
from tests.support import old_rows

Delete = Callable[..., Awaitable[storage.retention.Step]]


@pytest.mark.parametrize("plans", ["force_generic_plan", "force_custom_plan"])
async def test_every_delete_finds_its_rows_by_an_index_past_all_that_may_not_go(
    database: Database, plans: str
) -> None:
    """A plan may have been made for any state of the tables, so both kinds have to be good."""
    await many_rows(database)
    kinds: dict[str, tuple[Delete, timedelta]] = {
        "deliveries_by_age": (storage.retention.delete_deliveries, old_rows.MAY_GO),
        "dead_letters_by_age": (storage.retention.delete_dead_letters, old_rows.MAY_GO),
        "consumptions_by_age": (storage.retention.delete_consumptions, old_rows.MAY_GO),
        "idempotency_keys_by_age": (storage.retention.delete_answers, timedelta(days=2)),
    }

    async with database.connection() as connection:
        await connection.execute(f"SET plan_cache_mode = {plans}")
        found = {
            index: await plan(connection, delete, keep) for index, (delete, keep) in kinds.items()
        }

    for index, lines in found.items():
        assert [line for line in lines if index in line], lines
        assert [line for line in lines if "Seq Scan on" in line and "pg_" not in line] == []
        assert passed_over(lines) <= AT_MOST, lines


async def many_rows(database: Database) -> None:
    """Have few rows that may go behind many older ones that may not, and many younger ones."""
    async with database.connection() as connection:
        await old_rows.make_day(connection, ago=90)
    await old_rows.consumptions(database, 20_000, ago=90)
    await old_rows.consumptions(database, 20_000, ago=0)
    await old_rows.consumptions(database, 3_000)
    await old_rows.deliveries(database, 15_000, state="held", ago=90)
    await old_rows.deliveries(database, 5_000, state="dead", ago=90)
    await old_rows.letters_of_dead_deliveries(database, None)
    await old_rows.deliveries(database, 10_000, state="delivered", ago=0)
    await old_rows.deliveries(database, 3_000, state="delivered")
    await old_rows.letters(database, 20_000, None)
    await old_rows.letters(database, 10_000, "redriven", ago=0)
    await old_rows.letters(database, 3_000, "redriven")
    await old_rows.answers(database, 20_000, ago=0)
    await old_rows.answers(database, 3_000)
    async with database.connection() as connection:
        await connection.execute("ANALYZE")


async def plan(connection: Connection, delete: Delete, keep: timedelta) -> list[str]:
    """Show how a step's statement is executed; it is undone."""
    seen: list[Any] = []
    async with undone(connection):
        with connection.query_logger(seen.append):
            await delete(connection, Bounds(keep, AT_MOST))
    (query,) = [each.query for each in seen if "DELETE" in each.query]
    async with undone(connection):
        await connection.execute(f"PREPARE step AS {query}")
        lines = await connection.fetch(
            "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)"
            f" EXECUTE step (NULL, '{keep.days} days', {AT_MOST})"
        )
        await connection.execute("DEALLOCATE step")
    return [line[0] for line in lines]


@asynccontextmanager
async def undone(connection: Connection) -> AsyncIterator[None]:
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield
    finally:
        await transaction.rollback()


def passed_over(lines: list[str]) -> int:
    """Count the rows that a plan read in vain."""
    removed = (re.search(r"Rows Removed by \w+(?: \w+)?: (\d+)", line) for line in lines)
    return sum(int(found[1]) for found in removed if found)

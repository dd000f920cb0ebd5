"""One process at a time lets go of the old, in steps, and goes on whatever one of them does."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from orderbus import services, storage
from orderbus.errors import Unavailable
from orderbus.services import retention
from orderbus.services.retention import AT_MOST
from orderbus.settings import Settings
from orderbus.storage.database import Connection, Database
from orderbus.storage.retention import Bounds
from tests.support import old_rows
from tests.support.statements import recorded


async def test_days_that_cannot_be_dropped_keep_nothing_else_from_being_deleted(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def too_late(*_: object, **__: object) -> None:
        message = "PostgreSQL did not answer"
        raise Unavailable(message)

    await old_rows.answers(database, 1)
    monkeypatch.setattr(storage.retention, "list_old_days", too_late)
    await retention.tick(database, settings)

    assert (await old_rows.counts(database))["answers"] == 0


async def test_where_a_step_takes_too_long_the_next_is_smaller(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise nothing would ever be deleted on a slow disk."""
    await old_rows.answers(database, 450)
    delete, asked = storage.retention.delete_answers, []

    async def slow(connection: Connection, bounds: Bounds) -> storage.retention.Step:
        asked.append(bounds.at_most)
        if bounds.at_most > 200:
            message = "PostgreSQL did not answer"
            raise Unavailable(message)
        return await delete(connection, bounds)

    monkeypatch.setattr(storage.retention, "delete_answers", slow)
    await retention.tick(database, settings)

    assert (await old_rows.counts(database))["answers"] == 0
    assert asked == [AT_MOST, 200, 200, 200, 200]


async def test_no_transaction_stays_open_between_two_statements(
    database: Database, settings: Settings
) -> None:
    async with database.connection() as connection:
        await old_rows.make_day(connection)
    await old_rows.deliveries(database, 3, state="delivered")

    with recorded() as sent:
        await retention.tick(database, settings)
        await services.maintenance.Maintenance(database).tick()

    assert [query for query in sent if query.startswith(("BEGIN", "SAVEPOINT"))] == []
    assert [query for query in sent if "drop_day" in query]
    assert [query for query in sent if "make_partitions" in query]


async def test_one_process_at_a_time_deletes_and_the_next_begins_after_a_pause(
    database: Database, settings: Settings
) -> None:
    await old_rows.answers(database, 1)
    async with database.connection() as connection:
        taken = await storage.retention.lease(connection, other := uuid4(), length=timedelta(9))
        again = await storage.retention.lease(connection, other, length=timedelta(9))

    await retention.tick(database, settings)
    while_anothers = (await old_rows.counts(database))["answers"]
    async with database.connection() as connection:
        await storage.retention.give_back(connection, other, due_after=timedelta(0))
    await retention.tick(database, settings)
    await old_rows.answers(database, 1)
    await retention.tick(database, settings)

    assert (taken, again, while_anothers) == (True, True, 1)
    assert (await old_rows.counts(database))["answers"] == 1


async def test_two_processes_that_delete_the_same_do_no_harm(database: Database) -> None:
    await old_rows.deliveries(database, 900, state="delivered")

    async def delete() -> int:
        async with database.connection() as connection:
            bounds = Bounds(old_rows.MAY_GO, at_most=300)
            return (await storage.retention.delete_deliveries(connection, bounds)).rows

    gone = await asyncio.gather(*(delete() for _ in range(6)))

    assert sum(gone) + (await old_rows.counts(database))["deliveries"] == 900


async def test_a_round_that_loses_its_lease_ends(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await old_rows.answers(database, AT_MOST + 1)
    lease = storage.retention.lease
    granted = iter([True] * (1 + len(retention.kinds(settings))))  # a step of each kind

    async def lease_sometimes(*arguments: Any, **more: Any) -> bool:
        return next(granted, False) and await lease(*arguments, **more)

    monkeypatch.setattr(storage.retention, "lease", lease_sometimes)
    await retention.tick(database, settings)

    assert (await old_rows.counts(database))["answers"] == 1

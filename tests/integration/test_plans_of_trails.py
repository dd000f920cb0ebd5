"""What was done by hand, and what came under one reference, is listed from an index."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orderbus import storage
from orderbus.storage.database import Connection, Database
from tests.support import audit_rows, conflict_rows, many_rows
from tests.support.plans import BOUND, plans, quiet_connection

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
COUNT = 20_000
#: So many acts that a plan may take the order of time for the shorter way to a rare actor.
ACTS = 120_000
MODES = pytest.mark.parametrize("mode", ["generic", "custom"])


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    async with quiet_connection(database) as connection:
        yield connection


@MODES
async def test_the_audit_trail_is_read_by_an_index_with_each_of_its_filters(
    connection: Connection, mode: str
) -> None:
    await audit_rows.add_many(connection, BEGAN, ACTS)
    choices: dict[str, tuple[Any, ...]] = {
        "actor": (None, "command:ann", "command:rare"),
        "subject": (None, "s-7", "nothing"),
        "since": (None, BEGAN + timedelta(minutes=10_000)),
        "before": (None, ACTS // 2),
    }
    faults = {}
    for values in itertools.product(*choices.values()):
        asked = dict(zip(choices, values, strict=True))

        async def ask(connection: Connection, asked: dict[str, Any] = asked) -> None:
            await storage.audit.list_newest(connection, **asked, at_most=11)

        (plan,) = await plans(connection, mode, ask)
        if found := plan.faults(BOUND):
            faults[str(asked)] = found

    assert faults == {}


@MODES
async def test_the_conflicts_are_read_by_an_index_from_any_moment_on(
    connection: Connection, mode: str
) -> None:
    await many_rows.orders(connection, BEGAN, COUNT)
    await conflict_rows.add_to_every_order(connection)
    faults = {}
    for since, until in itertools.product((None, BEGAN), (None, BEGAN + timedelta(days=3))):

        async def ask(connection: Connection, since: Any = since, until: Any = until) -> None:
            await storage.conflicts.list_newest(connection, since=since, until=until, at_most=11)

        (plan,) = await plans(connection, mode, ask)
        if found := plan.faults(BOUND):
            faults[str((since, until))] = found

    assert faults == {}

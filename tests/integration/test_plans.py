"""What is done again and again reads what it needs, however much is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from orderbus import storage
from orderbus.domain import retries
from orderbus.storage.database import Connection, Database
from tests.support import consumption_rows, many_rows
from tests.support.plans import BOUND, plans, quiet_connection

EVENTS = 20_000


@pytest.fixture
async def much_past(database: Database) -> AsyncIterator[Connection]:
    async with quiet_connection(database) as connection:
        await many_rows.events_that_came_back(connection, EVENTS)
        yield connection


@pytest.mark.parametrize("mode", ["generic", "custom"])
@pytest.mark.parametrize("pattern", ["*", "*.rare", "cart.*"])
@pytest.mark.parametrize("what", ["given", "counted"])
async def test_a_step_of_a_replay_reads_its_step_and_no_other_day(
    much_past: Connection, mode: str, pattern: str, what: str
) -> None:
    since = await much_past.fetchval("SELECT date_trunc('day', now(), 'UTC') + interval '54 hours'")

    async def step(connection: Connection) -> None:
        past = storage.replay.Past("late", pattern, since, since + timedelta(days=1))
        after = storage.replay.Place(since, UUID(int=0))
        if what == "counted":
            await storage.replay.count(connection, past, after)
        else:
            await storage.replay.give(connection, past, after, at_most=500)

    (plan,) = await plans(much_past, mode, step)

    assert plan.faults(2000) == []
    read = {
        node["Relation Name"]
        for node in plan.nodes
        if node.get("Relation Name", "").startswith(("inbox_", "events_")) and node["Actual Loops"]
    }
    days = [since + timedelta(days=n) for n in (0, 1)]
    assert read <= {f"{table}_{day:%Y%m%d}" for table in ("inbox", "events") for day in days}
    assert len(read) >= 2


@pytest.fixture
async def much_on_its_way(much_past: Connection) -> Connection:
    await many_rows.pointers_to_every_event(much_past)
    return much_past


SECOND = timedelta(seconds=1)
BEAT: dict[str, Callable[[Connection], Awaitable[object]]] = {
    "look": lambda connection: storage.lost_events.look(
        connection, lately=15 * SECOND, unequal=SECOND, silence=retries.LOST_EVENT
    ),
    "take back": lambda connection: storage.lost_events.take_back(
        connection,
        published_before=datetime.now(UTC),
        pauses=retries.LOST_EVENT.listed(),
        at_most=20,
    ),
    "lease": lambda connection: storage.outbox.lease(
        connection, uuid4(), at_most=20, length=SECOND
    ),
}


@pytest.mark.parametrize("mode", ["generic", "custom"])
@pytest.mark.parametrize("step", BEAT)
async def test_no_beat_reads_all_that_is_on_its_way(
    much_on_its_way: Connection, mode: str, step: str
) -> None:
    (plan,) = await plans(much_on_its_way, mode, BEAT[step])

    assert plan.faults(BOUND) == []


async def test_what_consumers_have_to_do_is_counted_past_all_that_is_done(
    database: Database,
) -> None:
    await consumption_rows.add_mostly_done(database, 4997, pending=3)
    async with database.connection() as connection:
        pending = await storage.consumptions.pending_by_consumer(connection)
        (plan,) = await plans(connection, "custom", storage.consumptions.pending_by_consumer)

    assert pending == {"count_event": 3}
    assert plan.faults(BOUND) == []

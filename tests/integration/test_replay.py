"""A consumer that is added later is given the past, each event once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from orderbus import services
from orderbus.storage.database import Database
from orderbus.storage.replay import Past
from tests.support import consumption_rows, scenario

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


async def come_back(database: Database, **wanted: str) -> None:
    await scenario.record(database, await scenario.events(database), wanted=wanted)


def past(pattern: str, **changes: datetime) -> Past:
    moments = {"since": LONG_AGO, "before": datetime.now(UTC) + timedelta(minutes=1), **changes}
    return Past("late", pattern, **moments)


async def replay(database: Database, pattern: str = "order.*", **changes: datetime) -> int:
    given = 0
    async for chunk in services.replay.replay(database, past(pattern, **changes), rate=100_000):
        given += chunk.added
    return given


async def test_a_late_consumer_gets_every_event_of_the_past_that_fits_once(
    database: Database,
) -> None:
    for _ in range(7):
        await scenario.append(database, await scenario.place(database))
    await come_back(database)

    assert await replay(database, "*.created") == 7
    assert await replay(database, "*.created") == 0
    assert await replay(database) == 7
    assert await consumption_rows.count(database) == 14


async def test_what_the_bridge_gave_it_meanwhile_is_not_given_again(database: Database) -> None:
    await scenario.place(database)
    await come_back(database)
    await scenario.place(database)
    await come_back(database, late="*")

    assert await replay(database) == 1


async def test_only_the_time_that_is_asked_for_is_given(database: Database) -> None:
    for _ in range(3):
        await scenario.place(database)
    await come_back(database)
    first, second, third = [event.occurred_at for event in await scenario.events(database)]

    assert await replay(database, since=second, before=third) == 1
    assert await replay(database, before=first) == 0


async def test_what_has_not_come_back_yet_comes_by_the_bridge(database: Database) -> None:
    await scenario.place(database)

    assert await replay(database) == 0


async def test_a_replay_that_is_stopped_goes_on_where_it_was(
    database: Database,
) -> None:
    for _ in range(20):
        await scenario.place(database)
    await come_back(database)

    async def stopped() -> int:
        given = 0
        async for chunk in services.replay.replay(database, past("*"), rate=7):
            given += chunk.added
            break
        return given

    assert await stopped() == 7
    assert await replay(database, "*") == 13


async def test_it_is_said_before_how_much_would_be_given(database: Database) -> None:
    for _ in range(3):
        await scenario.place(database)
    await come_back(database)
    await replay(database, since=(await scenario.events(database))[2].occurred_at)

    counted = await services.replay.count(database, past("*"))

    assert (counted.events, counted.added) == (3, 2)

"""A consumer that is added later is given the past, each event once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from orderbus import services
from orderbus.services.replay import Replay
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.support import consumption_rows, jobs, scenario

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


async def come_back(database: Database, **wanted: str) -> None:
    await scenario.record(database, await scenario.events(database), wanted=wanted)


def wanted(pattern: str = "order.*", **changes: datetime) -> Replay:
    given = {"consumer": "late", "pattern": pattern, "since": LONG_AGO, **changes}
    return Replay.model_validate(given)


async def replay(
    database: Database, settings: Settings, pattern: str = "order.*", **changes: datetime
) -> int:
    job = await jobs.begin(database, settings, "replay", wanted(pattern, **changes))
    return (await jobs.finish(database, job, jobs.outside(settings, late="*"))).done


async def test_a_late_consumer_gets_every_event_of_the_past_that_fits_once(
    database: Database, settings: Settings
) -> None:
    for _ in range(7):
        await scenario.append(database, await scenario.place(database))
    await come_back(database)

    assert await replay(database, settings, "*.created") == 7
    assert await replay(database, settings, "*.created") == 0
    assert await replay(database, settings) == 7
    assert await consumption_rows.count(database) == 14


async def test_what_the_bridge_gave_it_meanwhile_is_not_given_again(
    database: Database, settings: Settings
) -> None:
    await scenario.place(database)
    await come_back(database)
    await scenario.place(database)
    await come_back(database, late="*")

    assert await replay(database, settings) == 1


async def test_only_the_time_that_is_asked_for_is_given(
    database: Database, settings: Settings
) -> None:
    for _ in range(3):
        await scenario.place(database)
    await come_back(database)
    first, second, third = [event.occurred_at for event in await scenario.events(database)]

    assert await replay(database, settings, since=second, until=third) == 1
    assert await replay(database, settings, until=first) == 0


async def test_what_has_not_come_back_yet_comes_by_the_bridge(
    database: Database, settings: Settings
) -> None:
    await scenario.place(database)

    assert await replay(database, settings) == 0


async def test_a_replay_that_is_stopped_goes_on_where_it_was(
    database: Database, settings: Settings
) -> None:
    for _ in range(20):
        await scenario.place(database)
    await come_back(database)

    job = await jobs.begin(database, settings, "replay", wanted("*"), rate=7)
    outside = jobs.outside(settings, late="*")

    stopped = await services.jobs.step(database, outside)
    finished = await jobs.finish(database, job, outside)

    assert stopped
    assert (stopped.state, stopped.done) == ("running", 7)
    assert (finished.state, finished.done) == ("done", 20)
    assert await consumption_rows.count(database) == 20


async def test_a_consumer_is_given_nothing_it_does_not_want(
    database: Database, settings: Settings
) -> None:
    await scenario.append(database, await scenario.place(database))
    await come_back(database)
    job = await jobs.begin(database, settings, "replay", wanted("*"))

    finished = await jobs.finish(database, job, jobs.outside(settings, late="*.noted"))

    assert (finished.total, finished.done) == (2, 1)


async def test_a_replay_to_nobody_fails_with_who_there_is(
    database: Database, settings: Settings
) -> None:
    job = await jobs.begin(database, settings, "replay", wanted())

    failed = await jobs.finish(database, job, jobs.outside(settings, early="*", other="*"))

    assert failed.state == "failed"
    assert failed.error == "There is no consumer late in this worker; there are early, other"


async def test_it_is_said_before_how_much_would_be_given(
    database: Database, settings: Settings
) -> None:
    for _ in range(3):
        await scenario.place(database)
    await come_back(database)
    await replay(database, settings, since=(await scenario.events(database))[2].occurred_at)

    counted = await database.ask(
        services.replay.count_of, wanted("*"), settings, patience=timedelta(minutes=1)
    )

    events, added = (
        sum(getattr(each, of) for each in counted.pieces) for of in ("events", "added")
    )
    assert (events, added, counted.is_at_least) == (3, 2, False)

"""Pauses that PostgreSQL keeps end at their caps, whatever the number of the attempt."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from orderbus import storage
from orderbus.domain import retries
from orderbus.domain.events import Event
from orderbus.errors import Unavailable
from orderbus.services import outbox
from orderbus.services.consumptions import Work
from orderbus.settings import Settings
from orderbus.storage.database import Connection, Database
from tests.support import consumption_rows, outbox_rows, scenario

#: Attempts before the cap is reached, at it, and far beyond what a number can be doubled.
TIMES = (1, 2, 3, 6, 7, 8, 20, 21, 22, 63, 64, 65, 999)
LONGEST = timedelta(minutes=5)


@pytest.fixture
async def due(database: Database) -> None:
    await scenario.place(database)
    await scenario.record(database, await scenario.events(database), wanted={"probe": "*"})


@pytest.mark.usefixtures("due")
@pytest.mark.parametrize("base", [0.001, 5, 300])
@pytest.mark.parametrize("error", [Unavailable, ZeroDivisionError])
async def test_a_consumer_is_tried_again_after_a_doubling_pause_of_five_minutes_at_most(
    database: Database, settings: Settings, base: float, error: type[Exception]
) -> None:
    first = timedelta(seconds=base)
    patient = settings.model_copy(update={"max_retry_attempts": 1000, "retry_delay_base": first})
    held = scenario.resources(database, patient)

    async def fails(_: Connection, __: Event) -> None:
        raise error("away")  # another one each time: an error that is raised anew grows

    for times in TIMES:
        await consumption_rows.set_attempts(database, times - 1)
        before = await scenario.clock(database)
        await scenario.have_consumed(held, "probe", Work(fails))
        after = await scenario.clock(database)
        pause = min(LONGEST, first * 2 ** min(times - 1, 30))
        due_at = (await consumption_rows.only(database))["due_at"]
        assert before + pause <= due_at <= after + pause, times


async def test_publishing_is_probed_every_two_seconds_at_most(database: Database) -> None:
    pauses = []
    async with database.transaction() as connection:
        for failures in (0, 1, 2, 3, 9, 10, 11, 12, 1000, 2_000_000_000):
            await outbox_rows.open_breaker(connection, failures)
            await storage.outbox.open_breaker(connection, pauses=retries.PROBE.listed())
            pauses.append(await outbox_rows.pause_before_probe(connection))

    assert max(pauses) == retries.PROBE.most == timedelta(seconds=2)
    assert pauses == sorted(pauses)
    assert pauses[0] > timedelta(0)


class Topic:
    """Stands for Pub/Sub at the last edge, and loses everything."""

    async def publish(self, messages: list[Any], **_: Any) -> list[str]:
        return [f"m-{number}" for number, _ in enumerate(messages)]


@pytest.mark.parametrize("times", [*TIMES, 2_000_000_000])
async def test_an_event_that_does_not_come_back_is_asked_with_every_ten_minutes_at_most(
    database: Database, settings: Settings, times: int
) -> None:
    await scenario.place(database)
    topic: Any = Topic()
    await outbox.Relay(database, topic, settings).publish_due()
    pause = min(timedelta(minutes=10), timedelta(seconds=10) * 2 ** min(times - 1, 10))
    moment = timedelta(milliseconds=1)

    found = []
    async with database.transaction() as connection:
        now = await connection.fetchval("SELECT now()")
        for ago in (pause, pause + moment):
            await outbox_rows.set_published(connection, times=times, ago=ago)
            found.append(
                await storage.lost_events.take_back(
                    connection, published_before=now, pauses=retries.LOST_EVENT.listed(), at_most=9
                )
            )

    assert found == [0, 1]

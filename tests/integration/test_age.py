"""No event is dropped or left lying because of its age: what is owed is owed for ever."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from orderbus import services
from orderbus.egress.session import Session
from orderbus.errors import OrderbusError, Poisoned
from orderbus.pubsub.messages import Message
from orderbus.services.maintenance import Maintenance
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.support import (
    consumption_rows,
    delivery_rows,
    endpoint_changes,
    event_rows,
    letter_rows,
    scenario,
)
from tests.support.receiver import Receiver
from tests.support.scenario import deliver

#: More than six years, in whole days: an event stays at its time of day.
LONG = timedelta(days=2222)


class Topic:
    """Stands for Pub/Sub at the last edge: takes everything, unless it refuses it for good."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.refuses = False

    async def publish(self, messages: list[Message], **_: Any) -> list[str | OrderbusError]:
        if self.refuses:
            return [Poisoned("too large", reason="refused_by_pubsub") for _ in messages]
        self.taken += [message.attributes["ce-id"] for message in messages]
        return [f"m-{number}" for number, _ in enumerate(messages)]


@pytest.fixture
def topic() -> Topic:
    return Topic()


async def publish(database: Database, topic: Any, settings: Settings) -> int:
    return await services.outbox.Relay(database, topic, settings).publish_due()


async def grow_old(database: Database, settings: Settings) -> None:
    """Let everything that is written down have been written long ago, and tidy up."""
    async with database.transaction() as connection:
        await connection.execute("SET LOCAL session_replication_role = replica")
        for table in ("events", "inbox"):
            await connection.execute(
                f"""
                DO $$ BEGIN
                    FOR day IN -1 .. 1 LOOP
                        EXECUTE format('CREATE TABLE ops.{table}_%s PARTITION OF ops.{table}'
                            ' FOR VALUES FROM (%L) TO (%L)',
                            to_char(current_date - {LONG.days} + day, 'YYYYMMDD'),
                            (current_date - {LONG.days} + day)::timestamp AT TIME ZONE 'UTC',
                            (current_date - {LONG.days} + day + 1)::timestamp AT TIME ZONE 'UTC');
                    END LOOP;
                END $$
                """
            )
        columns = await connection.fetch(
            """
            SELECT attrelid::regclass::text AS table,
                   string_agg(format('%1$I = %1$I - $1::interval', attname), ', ') AS shifted
              FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
             WHERE relnamespace IN ('ops'::regnamespace, 'orders'::regnamespace)
               AND relkind IN ('r', 'p') AND NOT relispartition
               AND atttypid = 'timestamptz'::regtype AND attgenerated = '' AND NOT attisdropped
             GROUP BY attrelid
            """
        )
        for row in columns:
            await connection.execute(f"UPDATE {row['table']} SET {row['shifted']}", LONG)
    await Maintenance(database).tick()
    await services.retention.tick(database, settings)


async def test_an_event_that_waited_for_years_is_published(
    database: Database, settings: Settings, topic: Topic
) -> None:
    for _ in range(3):
        await scenario.place(database)
    await grow_old(database, settings)

    assert await publish(database, topic, settings) == 3
    assert await event_rows.count(database) == 3


async def test_an_event_leased_years_ago_by_a_relay_that_died_is_published(
    database: Database, settings: Settings, topic: Topic
) -> None:
    for _ in range(3):
        await scenario.place(database)
    await scenario.lease(database)
    await grow_old(database, settings)

    assert await publish(database, topic, settings) == 3


async def test_an_event_that_pubsub_lost_years_ago_is_published_again(
    database: Database, settings: Settings, topic: Topic
) -> None:
    for _ in range(3):
        await scenario.place(database)
    await publish(database, topic, settings)
    await grow_old(database, settings)

    assert await publish(database, topic, settings) == 3
    assert len(topic.taken) == 6


async def test_an_event_parked_years_ago_is_published_when_a_person_says_so(
    database: Database, settings: Settings, topic: Topic
) -> None:
    await scenario.place(database)
    topic.refuses = True
    await publish(database, topic, settings)
    await grow_old(database, settings)
    topic.refuses = False
    async with database.transaction() as connection:
        (letter,) = await letter_rows.listed(connection, kind="outbox")
        await services.dead_letters.redrive(connection, letter.id)

    assert await publish(database, topic, settings) == 1


async def test_an_event_that_comes_back_after_years_is_delivered_and_consumed(
    database: Database,
    settings: Settings,
    http: Session,
    receiver: Receiver,
    topic: Topic,
) -> None:
    await scenario.add_endpoint(database, receiver.url)
    await scenario.place(database)
    await publish(database, topic, settings)
    await grow_old(database, settings)
    await scenario.go_on(database, settings.model_copy(update={"processor": "none"}))
    await delivery_rows.ids(database)
    await deliver(database, http, settings)

    assert len(receiver.requests) == 1
    assert await consumption_rows.counted(database) == 1


@pytest.mark.parametrize("before", [[], [500], [410]], ids=["never tried", "failed", "gone"])
async def test_a_delivery_that_waited_for_years_is_made(
    database: Database,
    settings: Settings,
    http: Session,
    receiver: Receiver,
    before: list[int],
) -> None:
    endpoint = await scenario.add_endpoint(database, receiver.url)
    await scenario.place(database)
    (due,) = await scenario.come_back(database, *await scenario.events(database))
    receiver.answers = list(before)
    if before:
        await deliver(database, http, settings)
    await grow_old(database, settings)
    if before == [410]:
        await endpoint_changes.enable(database, endpoint)

    # Two beats: the first sees that it was told of in vain.
    told = [await scenario.due(database) for _ in range(2)]
    assert [due] in told
    await deliver(database, http, settings)

    assert await delivery_rows.states(database) == ["delivered"]
    assert len(receiver.requests) == len(before) + 1


async def test_what_a_consumer_left_lying_for_years_is_consumed(
    database: Database, settings: Settings
) -> None:
    await scenario.place(database)
    await scenario.record(
        database, await scenario.events(database), wanted={"count_event": "order.created"}
    )
    await grow_old(database, settings)

    await scenario.consume(database, settings, "count_event")

    assert await consumption_rows.counted(database) == 1


async def test_a_dead_letter_of_years_ago_still_has_its_event_and_is_brought_back(
    database: Database, settings: Settings, http: Session, receiver: Receiver
) -> None:
    await scenario.add_endpoint(database, receiver.url)
    await scenario.place(database)
    await scenario.come_back(database, *await scenario.events(database))
    await delivery_rows.leave_one_attempt(database)
    receiver.answers = [500]
    await deliver(database, http, settings)
    await grow_old(database, settings)
    async with database.transaction() as connection:
        letter = await letter_rows.only_id(database)
        await services.dead_letters.redrive(connection, letter)
    await deliver(database, http, settings)

    assert await delivery_rows.states(database) == ["delivered"]

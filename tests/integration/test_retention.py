"""What is old and settled goes, what is open stays, and nobody waits for it."""

from __future__ import annotations

import asyncio

import pytest
from click.testing import CliRunner

from orderbus import services, storage
from orderbus.commands.cli import main
from orderbus.services import retention
from orderbus.services.retention import AT_MOST
from orderbus.settings import Settings
from orderbus.storage import migrations
from orderbus.storage.database import Database
from tests.support import (
    consumption_rows,
    delivery_rows,
    event_rows,
    letter_rows,
    migration_files,
    old_rows,
    order_rows,
    retention_rows,
    scenario,
    watermark_rows,
)
from tests.support.migration_files import NAMES

NOTHING = {"deliveries": 0, "attempts": 0, "dead_letters": 0, "consumptions": 0, "answers": 0}


async def tick(database: Database, settings: Settings) -> None:
    """Look for what is old now, whatever pause would be kept."""
    await retention_rows.make_due(database)
    await retention.tick(database, settings)


async def test_what_is_old_and_settled_goes_however_much_it_is(
    database: Database, settings: Settings
) -> None:
    await old_rows.deliveries(database, AT_MOST + 1, state="delivered")
    await old_rows.deliveries(database, 3, state="skipped")
    await old_rows.letters(database, AT_MOST + 1, "redriven")
    await old_rows.consumptions(database, 2 * AT_MOST + 1)
    await old_rows.answers(database, 2 * AT_MOST, ago=3)

    await tick(database, settings)

    assert await old_rows.counts(database) == NOTHING


async def test_what_is_not_old_enough_stays(database: Database, settings: Settings) -> None:
    await old_rows.deliveries(database, 3, state="delivered", ago=36)
    await old_rows.letters(database, 3, "discarded", ago=36)
    await old_rows.consumptions(database, 3, ago=0)
    await old_rows.answers(database, 3, ago=1)
    before = await old_rows.counts(database)

    await tick(database, settings)

    assert await old_rows.counts(database) == before


async def test_what_is_open_stays_however_old_it_is_and_so_do_its_events(
    database: Database, settings: Settings
) -> None:
    async with database.connection() as connection:
        for ago in range(50, 55):
            await old_rows.make_day(connection, ago)
    await old_rows.deliveries(database, 2, state="pending", ago=50)
    await old_rows.deliveries(database, 2, state="held", ago=51)
    await old_rows.deliveries(database, 2, state="dead", ago=52)
    await old_rows.letters_of_dead_deliveries(database, None)
    await old_rows.letters(database, 2, None)
    await old_rows.consumptions(database, 2, state="pending", ago=53)
    await old_rows.dead_consumptions_with_letters(database, ago=54)
    before = await old_rows.counts(database)

    await tick(database, settings)

    assert await old_rows.counts(database) == before
    assert await old_rows.days(database) == 5


@pytest.mark.parametrize(("resolution", "left"), [("discarded", 0), ("redriven", 1)])
async def test_a_delivery_that_stays_dead_goes_with_its_dead_letter(
    database: Database, settings: Settings, resolution: str, left: int
) -> None:
    """A redriven one that died again has another letter, and goes with that."""
    await old_rows.deliveries(database, 1, state="dead")
    await old_rows.letters_of_dead_deliveries(database, resolution)

    await tick(database, settings)

    assert await old_rows.counts(database) == NOTHING | {"deliveries": left, "attempts": left}


async def test_a_dead_delivery_stays_while_another_letter_about_it_is_open(
    database: Database, settings: Settings
) -> None:
    await old_rows.deliveries(database, 1, state="dead")
    await old_rows.letters_of_dead_deliveries(database, "discarded")
    await letter_rows.add_of_every_delivery(database)

    await tick(database, settings)

    assert (await old_rows.counts(database))["deliveries"] == 1


async def test_what_was_consumed_of_a_day_stays_as_long_as_its_events(
    database: Database, settings: Settings
) -> None:
    """Otherwise a replay would give the events of that day twice."""
    async with database.connection() as connection:
        await old_rows.make_day(connection)
    await old_rows.dead_consumptions_with_letters(database, ago=old_rows.LONG_AGO)
    await old_rows.consumptions(database, 5)
    await old_rows.consumptions(database, 5, ago=old_rows.LONG_AGO - 1)

    await tick(database, settings)
    while_needed = (await old_rows.counts(database))["consumptions"], await old_rows.days(database)
    await letter_rows.discard_all(database)
    await tick(database, settings)

    assert while_needed == (7, 1)
    assert (await old_rows.counts(database))["consumptions"] == 0
    assert await old_rows.days(database) == 0


async def test_a_replay_takes_nothing_of_a_day_that_may_be_dropped_meanwhile(
    database: Database, env: dict[str, str]
) -> None:
    async with database.connection() as connection:
        await old_rows.make_day(connection)
    await scenario.place(database)
    await scenario.come_back(database, *await scenario.events(database))
    await old_rows.age_everything(database)

    said = await asyncio.to_thread(
        CliRunner().invoke,
        main,
        ["replay", "--consumer", "count_event", "--since", "90d", "--json"],
        env={**env, "DEBUG": "true"},
    )

    assert '"given": 0' in said.output


async def test_an_order_whose_event_is_gone_is_not_begun_again(database: Database) -> None:
    """What was consumed of it is still there for a moment."""
    await scenario.place(database)
    wanted = {"process_order": "order.created"}
    await scenario.record(database, await scenario.events(database), wanted=wanted)
    await consumption_rows.finish(database)
    order, begin = await order_rows.only_key(database), storage.processing.begin_again

    async with database.transaction() as connection:
        await connection.execute("SAVEPOINT kept")
        while_kept = await begin(connection, "process_order", order, actor=None)
        await connection.execute("ROLLBACK TO kept")
    await event_rows.lose_all(database)

    assert while_kept == "again"
    async with database.transaction() as connection:
        assert await begin(connection, "process_order", order, actor=None) == "gone"


async def test_a_consumption_that_was_dead_redriven_and_done_is_deleted_and_its_letter_stays(
    database: Database, settings: Settings
) -> None:
    await old_rows.dead_consumptions_with_letters(database, ago=old_rows.LONG_AGO)
    await redrive_all(database)
    await consumption_rows.finish(database)

    await tick(database, settings)

    assert await old_rows.counts(database) == NOTHING | {"dead_letters": 2}


async def test_a_delivery_that_was_dead_redriven_and_delivered_is_deleted_and_its_letter_stays(
    database: Database, settings: Settings
) -> None:
    await old_rows.deliveries(database, 1, state="dead")
    await old_rows.letters_of_dead_deliveries(database, None)
    await redrive_all(database)
    await delivery_rows.deliver_all(database, old_rows.MAY_GO)

    await tick(database, settings)

    assert await old_rows.counts(database) == NOTHING | {"dead_letters": 1}
    letter = await letter_rows.only_id(database)
    async with database.connection() as connection:
        assert (await storage.dead_letters.get(connection, letter)).delivery_id


async def redrive_all(database: Database) -> None:
    async with database.transaction() as connection:
        for letter in await letter_rows.listed(connection, kind=None):
            await services.dead_letters.redrive(connection, letter.id)


async def test_a_consumer_is_forgotten_though_some_of_its_work_was_dead_and_redriven(
    database: Database, env: dict[str, str]
) -> None:
    await old_rows.dead_consumptions_with_letters(database, ago=0)
    await old_rows.consumptions(database, AT_MOST, state="pending", ago=0)
    await redrive_all(database)
    await consumption_rows.give_all_to(database, "gone")

    said = await asyncio.to_thread(
        CliRunner().invoke,
        main,
        ["consumers", "forget", "gone"],
        env={**env, "DEBUG": "true"},
    )

    assert said.output == f"{AT_MOST + 2} events will not be consumed by gone\n"
    assert (await old_rows.counts(database))["consumptions"] == 0


async def test_an_older_version_comes_back_though_letters_outlive_what_they_were_about(
    database: Database, settings: Settings
) -> None:
    await old_rows.deliveries(database, 1, state="dead")
    await old_rows.letters_of_dead_deliveries(database, "redriven")
    await old_rows.dead_consumptions_with_letters(database, ago=0)
    await redrive_all(database)
    await delivery_rows.delete_all(database)
    await consumption_rows.delete_all(database)
    await old_rows.answers(database, 1)
    before = await old_rows.counts(database)

    newest = len(NAMES) - NAMES.index("0009.retention")
    await asyncio.to_thread(migration_files.go_back, settings, newest)
    await asyncio.to_thread(migrations.migrate, settings)

    assert await old_rows.counts(database) == before


async def test_a_watermark_goes_with_its_orders_last_event(
    database: Database, settings: Settings
) -> None:
    async with database.connection() as connection:
        await old_rows.make_day(connection)
    await scenario.place(database)
    await scenario.come_back(database, *await scenario.events(database))
    await old_rows.age_everything(database)
    await scenario.place(database)
    await scenario.come_back(database, *await scenario.events(database))

    await tick(database, settings)

    assert len(await watermark_rows.by_order(database)) == 1


async def test_an_orders_way_is_told_when_its_events_and_deliveries_are_gone(
    database: Database, settings: Settings
) -> None:
    async with database.connection() as connection:
        await old_rows.make_day(connection)
    await scenario.add_endpoint(database)
    order = await scenario.place(database)
    await scenario.come_back(database, *await scenario.events(database))
    await old_rows.age_everything(database)

    await tick(database, settings)
    async with database.connection() as connection:
        journey = await storage.journey.get(connection, order.order_id)

    (event,) = journey.events
    assert (event.state, event.deliveries, event.consumptions) == ("archived", [], [])
    assert await old_rows.counts(database) == NOTHING

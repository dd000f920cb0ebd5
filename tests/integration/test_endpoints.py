"""Enabling and removing an endpoint while the bridge and the workers go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from orderbus import services, storage
from orderbus.commands import terminal
from orderbus.domain.retries import Settlement
from orderbus.egress.session import Session
from orderbus.services.maintenance import Maintenance
from orderbus.settings import Settings
from orderbus.storage import migrations
from orderbus.storage.database import Database
from orderbus.storage.deliveries import Outcome
from tests.support import (
    delivery_rows,
    endpoint_changes,
    endpoint_rows,
    migration_files,
    row_counts,
    scenario,
)
from tests.support.commands import answered, typed
from tests.support.receiver import Receiver
from tests.support.scenario import deliver, one_due, state
from tests.support.waiting import until_here


@asynccontextmanager
async def coming_back(database: Database) -> AsyncIterator[None]:
    """An event that is recorded when this begins, and committed when it ends."""
    await scenario.place(database)
    event = (await scenario.events(database))[-1]
    async with database.connection() as connection, connection.transaction():
        await services.inbox.record(connection, [event], wanted={})
        yield


async def test_an_event_that_comes_back_while_its_endpoint_is_enabled_does_not_stay_held(
    database: Database, settings: Settings
) -> None:
    endpoint = await scenario.add_endpoint(database)
    await endpoint_rows.disable(database, only=endpoint)

    async with coming_back(database):
        await endpoint_changes.enable(database, endpoint)

    assert len(await scenario.due(database)) == 1


async def test_an_event_that_comes_back_while_its_endpoint_is_removed_is_never_sent(
    database: Database, settings: Settings, http: Session, receiver: Receiver
) -> None:
    endpoint = await scenario.add_endpoint(database, receiver.url)

    async with coming_back(database):
        skipped = await endpoint_changes.remove(database, endpoint)
    await deliver(database, http, settings)
    hinted = await scenario.due(database)
    await Maintenance(database).tick()

    assert (skipped, hinted, receiver.requests) == (0, [], [])
    assert await delivery_rows.states(database) == ["skipped"]


async def test_a_delivery_redriven_while_its_endpoint_is_removed_is_never_sent(
    database: Database, settings: Settings, http: Session, receiver: Receiver
) -> None:
    due = await one_due(database, receiver.url)
    await delivery_rows.give_up(database)
    async with database.transaction() as connection:
        assert await storage.delivery_acts.redrive(connection, [due])
        await endpoint_changes.remove(database, (await state(database, due))["endpoint_id"])
    await deliver(database, http, settings)
    await services.owed.skip(database)

    assert receiver.requests == []
    assert await delivery_rows.states(database) == ["skipped"]


async def test_an_attempt_under_way_ends_as_it_ends_when_its_endpoint_is_removed(
    database: Database, settings: Settings, http: Session, receiver: Receiver
) -> None:
    due = await one_due(database, receiver.url)
    receiver.may_answer.clear()
    delivering = asyncio.create_task(deliver(database, http, settings))
    await until_here(lambda: receiver.requests, "it is asked")

    skipped = await endpoint_changes.remove(database, (await state(database, due))["endpoint_id"])
    receiver.may_answer.set()
    await delivering

    assert skipped == 0
    assert await delivery_rows.states(database) == ["delivered"]
    assert await delivery_rows.outcomes(database) == ["delivered"]


async def test_removing_waits_for_nobody_who_works_on_a_delivery(database: Database) -> None:
    first = await one_due(database, "https://shop.example/")
    endpoint = (await state(database, first))["endpoint_id"]
    await scenario.place(database)
    await scenario.come_back(database, (await scenario.events(database))[-1])
    async with database.transaction() as connection:
        await delivery_rows.lock(connection, first)
        skipped = await endpoint_changes.remove(database, endpoint)
    later = await services.owed.skip(database)

    assert (skipped, later) == (1, 1)


async def test_what_waited_for_a_later_try_is_due_when_its_endpoint_is_enabled(
    database: Database,
) -> None:
    due = await one_due(database, "https://shop.example/")
    endpoint = (await state(database, due))["endpoint_id"]
    await delivery_rows.put_off(database, timedelta(hours=9))
    await endpoint_rows.disable(database, only=endpoint)

    released = await endpoint_changes.enable(database, endpoint)
    again = await endpoint_changes.enable(database, endpoint)

    assert (released, again) == (1, 0)
    assert await scenario.claim(database, due) is not None


@pytest.mark.parametrize("act", ["enable", "move"])
async def test_what_waited_is_due_although_whoever_enabled_or_moved_the_endpoint_died_then(
    database: Database, act: str
) -> None:
    due = await one_due(database, "https://shop.example/")
    endpoint = (await state(database, due))["endpoint_id"]
    await delivery_rows.put_off(database, timedelta(hours=9))
    if act == "enable":
        await endpoint_rows.disable(database, only=endpoint)
    async with database.transaction() as connection:
        if act == "enable":
            await services.endpoints.enable(connection, endpoint, actor="command:ann")
        else:
            changes = services.endpoints.Changes(url="https://moved.example/")
            await services.endpoints.change(connection, endpoint, changes, actor="command:ann")

    await Maintenance(database).tick()

    assert await scenario.claim(database, due) is not None
    assert await database.ask(storage.owed.release, at_most=9) is None


async def enabled_with_later(database: Database, count: int, later: timedelta) -> None:
    """Enable an endpoint that so many deliveries wait for, and make none of them due yet."""
    endpoint = await scenario.add_endpoint(database)
    await delivery_rows.add_many(database, endpoint, count)
    await delivery_rows.put_off(database, later)
    await endpoint_rows.disable(database, only=endpoint)
    async with database.transaction() as connection:
        await services.endpoints.enable(connection, endpoint, actor="command:ann")


async def test_what_is_owed_is_made_due_in_steps_each_of_which_is_there_for_good(
    database: Database,
) -> None:
    await enabled_with_later(database, 5, timedelta(hours=9))

    steps = [await database.ask(storage.owed.release, at_most=2) for _ in range(4)]

    assert steps == [2, 2, 1, None]
    assert await delivery_rows.count_due(database) == 5


async def test_what_fails_anew_while_the_rest_is_made_due_waits_for_its_own_time(
    database: Database,
) -> None:
    await enabled_with_later(database, 4, timedelta(hours=1))
    await database.ask(storage.owed.release, at_most=2)
    await delivery_rows.put_off(database, timedelta(hours=2))  # all failed once more, as of now

    assert await services.owed.release(database) == 0
    assert await delivery_rows.count_due(database) == 0


async def test_what_a_removed_endpoint_was_owed_says_who_removed_it_and_why(
    database: Database, env: dict[str, str]
) -> None:
    due = await one_due(database, "https://shop.example/")
    endpoint = (await state(database, due))["endpoint_id"]

    removed = await answered(env, "endpoints", "remove", endpoint, "--reason", "shop closed")
    shown = await answered(env, "deliveries", "show", due)
    journey = (await typed(env, "orders", "show", "SO-10045")).output

    assert removed["skipped"] == 1
    assert (shown["state"], shown["decided_by"]) == ("skipped", terminal.actor())
    assert shown["decided_reason"] == "its endpoint was removed: shop closed"
    assert f"skipped by {terminal.actor()}: its endpoint was removed: shop closed" in journey


async def test_disabling_an_endpoint_writes_nothing_to_its_deliveries(
    database: Database, settings: Settings, http: Session, receiver: Receiver
) -> None:
    due = await one_due(database, receiver.url)
    for _ in range(3):
        await scenario.place(database)
    await scenario.come_back(database, *await scenario.events(database))
    receiver.answers = [410]
    before = await delivery_rows.versions(database, but=due)

    one_at_a_time = settings.model_copy(update={"webhook_in_flight": 1})
    await deliver(database, http, one_at_a_time)

    assert await delivery_rows.versions(database, but=due) == before
    assert await scenario.claim(database, due) is None


async def test_a_worker_that_lost_its_lease_disables_nothing(database: Database) -> None:
    due = await one_due(database, "https://shop.example/")
    claimed = await scenario.claim(database, due)
    assert claimed is not None
    await delivery_rows.give_to_others(database)

    async with database.connection() as connection:
        await storage.endpoints.disable(
            connection, claimed.endpoint_id, reason="x", delivery_id=due, lease=claimed.lease
        )

    assert await endpoint_rows.disabled_at(database) is None


async def test_what_was_held_is_held_still_after_the_way_up_and_the_way_back(
    database: Database, settings: Settings
) -> None:
    due = await one_due(database, "https://shop.example/")
    endpoint = (await state(database, due))["endpoint_id"]
    await endpoint_rows.disable(database, only=endpoint)

    newer = migration_files.NAMES[migration_files.NAMES.index("0011.held-is-derived") :]
    await asyncio.to_thread(migration_files.go_back, settings, len(newer))
    before = await delivery_rows.states(database)
    await asyncio.to_thread(migrations.migrate, settings)
    after = await delivery_rows.states(database)
    (listed,) = await database.ask(storage.endpoint_lists.list_all)

    assert (before, after) == (["held"], ["pending"])
    assert listed.held == 1


async def test_what_a_process_of_the_version_before_holds_is_pending(database: Database) -> None:
    await one_due(database, "https://shop.example/")

    await delivery_rows.hold_as_before(database)

    assert await delivery_rows.states(database) == ["pending"]


@pytest.fixture
async def owed(database: Database) -> UUID:
    """A disabled endpoint that is owed far more than the other one."""
    await scenario.add_endpoint(database, "https://healthy.example/")
    for _ in range(3):
        await scenario.place(database)
    await scenario.come_back(database, *await scenario.events(database))
    disabled = await scenario.add_endpoint(database, "https://gone.example/")
    await endpoint_rows.disable(database, only=disabled)
    await delivery_rows.add_many(database, disabled, 20_000)
    return disabled


async def test_what_waits_for_a_disabled_endpoint_costs_the_others_nothing(
    database: Database, settings: Settings, owed: UUID
) -> None:
    due = await scenario.due(database)
    claimed = await scenario.claim(database, min(due, default=1))
    reads: dict[str, int] = {}

    async def reading(name: str, step: Any) -> None:
        async with row_counts.transaction(database) as counted:
            await step(counted.connection)
            reads[name] = await counted.read("ops.webhook_deliveries")

    again: dict[str, Any] = {
        "lease": uuid4(),
        "length": timedelta(0),
        "in_flight": {},
        "otherwise": 16,
        "at_most": 200,
    }
    await reading("claim", lambda c: storage.deliveries.claim(c, **again))
    assert claimed is not None
    gone = Settlement("pending", "failed", disabled_reason="410")
    await reading("settle", lambda c: storage.deliveries.settle(c, [Outcome(claimed, gone)]))
    await reading("release", lambda c: storage.owed.release(c, at_most=100))
    await reading("skip", lambda c: storage.owed.skip(c, at_most=100))

    assert {name: read for name, read in reads.items() if read > 100} == {}

"""What runs acts as a role of the database that can add to what happened, and not undo it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orderbus import services, storage
from orderbus.egress.session import Session
from orderbus.errors import Misconfigured, Unavailable
from orderbus.services import retention
from orderbus.services.maintenance import Maintenance
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.support import (
    audit_rows,
    event_rows,
    identity,
    jobs,
    old_rows,
    roles,
    scenario,
    stock_rows,
)
from tests.support.commands import answered
from tests.support.receiver import Receiver


async def test_an_order_goes_the_whole_way_and_what_is_old_goes(
    running: Database, least: Settings, http: Session, receiver: Receiver
) -> None:
    await stock_rows.add(running, 10, sku="tea")
    await scenario.add_endpoint(running, receiver.url)
    await scenario.place(running)
    await scenario.go_on(running, least)
    await scenario.deliver(running, http, least)

    assert len(receiver.requests) >= 1
    assert await stock_rows.differences(running) == []

    await Maintenance(running).tick()
    await retention.tick(running, least)
    async with running.connection() as connection:
        made = await storage.maintenance.make_ahead(connection, days=40)
        await storage.maintenance.count_grown(connection, rows=1)
        assert await storage.schema.missing(connection) == []
    assert made > 0


async def test_a_day_that_is_old_goes_with_its_table(
    running: Database, database: Database, least: Settings
) -> None:
    await old_rows.answers(database, 5)
    async with database.connection() as connection:
        day = await old_rows.make_day(connection)
    await retention.tick(running, least)

    assert (await old_rows.counts(database))["answers"] == 0
    assert not await event_rows.is_day_kept(database, day)


async def test_people_keys_and_the_catalogue_are_changed_and_each_change_is_in_the_trail(
    running: Database, least: Settings
) -> None:
    jane = await identity.add(running, "jane")
    key = await services.api_keys.create(running, least, name="shop", actor="command:ann")
    await services.api_keys.check(running, least, key.key)
    await services.api_keys.revoke(running, key.id, actor="command:ann")
    await stock_rows.add(running, 3)
    async with running.transaction() as connection:
        await services.users.disable(connection, jane.id, actor="command:ann")

    acts = [entry.action for entry in await audit_rows.acts(running)]

    assert {"user.created", "user.disabled", "api_key.created", "api_key.revoked"} <= {*acts}


async def test_what_changes_past_the_application_names_the_role_that_did_it(
    running: Database, role: str
) -> None:
    await running.ask(storage.categories.add, "tea", "Tea", parent=None)

    (entry,) = await running.ask(storage.audit.list_newest, at_most=9)

    assert entry.actor == f"database:{role}"


async def test_jobs_run_and_end(running: Database, least: Settings) -> None:
    job = await jobs.begin(running, least, "replay", jobs.of_the_last_hour())
    ended = await jobs.finish(running, job, jobs.outside(least, late="order.created"))

    assert ended.state == "done"


async def test_what_happened_and_the_tables_are_out_of_its_reach(running: Database) -> None:
    async def refused(statement: str) -> str | None:
        try:
            await scenario.value(running, statement)
        except Unavailable as error:
            return f"{error.dependency}: {type(error.__cause__).__name__}"
        return None

    answers = {statement: await refused(statement) for statement in roles.FORBIDDEN}

    assert answers == dict.fromkeys(roles.FORBIDDEN, "grants: InsufficientPrivilegeError")


async def test_nothing_is_granted_on_a_day_by_itself(running: Database, database: Database) -> None:
    (day,) = await roles.days(database, at_most=1)

    with pytest.raises(Unavailable):
        await scenario.value(running, f"DELETE FROM ops.{day}")


async def test_what_is_granted_already_is_not_granted_again(least: Settings) -> None:
    assert await asyncio.to_thread(roles.grant, least) == []


async def test_what_was_granted_by_hand_beyond_that_is_taken_and_what_comes_later_is_granted(
    least: Settings, database: Database, role: str
) -> None:
    await roles.grant_too_much_and_add_a_schema(database, role)

    changed = await asyncio.to_thread(roles.grant, least)

    assert changed == [
        "USAGE on later",
        "DELETE, INSERT, SELECT, UPDATE on later.things",
        "no DELETE on ops.audit_log",
    ]


@pytest.mark.parametrize("mighty", ["superuser", "member", "owner"])
async def test_a_role_that_may_do_everything_anyway_is_refused(
    least: Settings, database: Database, role: str, mighty: str
) -> None:
    await roles.make(database, role, mighty)

    with pytest.raises(Misconfigured, match="may do everything whatever is granted"):
        await asyncio.to_thread(roles.grant, least)


async def test_one_role_is_granted_nothing_and_goes_on_as_it_did(settings: Settings) -> None:
    assert await asyncio.to_thread(roles.grant, settings) == []


async def test_migrate_makes_the_role_and_says_what_it_granted(
    two: dict[str, str], role: str
) -> None:
    first: Any = await answered(two, "migrate")
    second: Any = await answered(two, "migrate")

    assert f"role {role}" in first["granted"]
    assert second["granted"] == []

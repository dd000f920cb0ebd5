"""The audit trail is written with what was done, is never changed, and can be asked."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from click.testing import CliRunner

from orderbus import storage, telemetry
from orderbus.commands.cli import main
from orderbus.domain import webhooks
from orderbus.settings import Settings
from orderbus.storage.database import Database, open_database
from tests.support import audit_rows


async def note(database: Database, **changes: Any) -> None:
    about: dict[str, Any] = {
        "actor": "command:ann",
        "action": "endpoint.disabled",
        "subject_type": "endpoint",
        "subject_id": "e-1",
    }
    await database.ask(storage.audit.add, **{**about, **changes})


async def listed(database: Database, **asked: Any) -> list[storage.audit.Entry]:
    return await database.ask(storage.audit.list_newest, at_most=100, **asked)


async def test_an_entry_says_who_did_what_to_what_and_why(database: Database) -> None:
    with telemetry.bound(request_id="r-1"):
        await note(database, reason="asked by phone", before={"url": "a"}, after={"url": "b"})

    (entry,) = await listed(database)
    assert (entry.actor, entry.action) == ("command:ann", "endpoint.disabled")
    assert (entry.subject_type, entry.subject_id) == ("endpoint", "e-1")
    assert (entry.reason, entry.request_id) == ("asked by phone", "r-1")
    assert (entry.before, entry.after) == ({"url": "a"}, {"url": "b"})


async def test_what_is_rolled_back_leaves_no_entry(database: Database) -> None:
    async def act_and_fail() -> None:
        async with database.transaction() as connection:
            await storage.audit.add(
                connection, actor="a", action="a.done", subject_type="a", subject_id=1
            )
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await act_and_fail()

    assert await listed(database) == []


async def test_no_secret_reaches_the_trail(database: Database) -> None:
    secret = webhooks.new_secret()

    await note(database, reason=f"leaked {secret}", after={"secrets": [secret], "note": secret})

    assert secret not in await audit_rows.written(database)


async def test_an_entry_cannot_be_changed(database: Database) -> None:
    await note(database)

    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="append-only"):
        await audit_rows.change_actor(database, "command:bob")


async def test_entries_are_found_by_actor_by_subject_and_by_time_newest_first(
    database: Database,
) -> None:
    await note(database, subject_id="e-1")
    await note(database, subject_id="e-2", actor="key 1 shop")
    await note(database, subject_id="e-3")

    async def found(**asked: Any) -> list[str]:
        return [entry.subject_id for entry in await listed(database, **asked)]

    assert await found() == ["e-3", "e-2", "e-1"]
    assert await found(actor="command:ann") == ["e-3", "e-1"]
    assert await found(subject="e-2") == ["e-2"]
    assert await found(actor="command:ann", subject="e-2") == []
    assert await found(since=datetime.now(UTC) + timedelta(days=1)) == []
    assert len(await found(since=datetime.now(UTC) - timedelta(days=1))) == 3


async def test_a_list_goes_on_behind_an_entry_although_others_are_written(
    database: Database,
) -> None:
    for number in range(5):
        await note(database, subject_id=str(number))
    newest = await database.ask(storage.audit.list_newest, at_most=2)
    await note(database, subject_id="later")

    rest = await listed(database, before=newest[-1].id)

    assert [entry.subject_id for entry in [*newest, *rest]] == ["4", "3", "2", "1", "0"]


def test_the_command_lists_it_for_people_and_for_machines(
    env: dict[str, str], settings: Settings
) -> None:
    async def fill() -> None:
        async with open_database(settings) as database:
            await note(database, reason="a\x1b[31m")

    asyncio.run(fill())
    runner = CliRunner(env={**env, "SECRET_KEY": "a key for tests", "AUTH": "open"})

    shown = runner.invoke(main, ["audit", "list", "--since", "1h"])
    answered = runner.invoke(main, ["audit", "list", "--actor", "command:ann", "--json"])
    nothing = runner.invoke(main, ["audit", "list", "--subject", "e-2"])

    assert "endpoint.disabled" in shown.output
    assert "\x1b" not in shown.output
    (entry,) = json.loads(answered.output)
    assert (entry["actor"], entry["reason"]) == ("command:ann", "a\x1b[31m")
    assert nothing.output == "The audit trail has nothing of it.\n"

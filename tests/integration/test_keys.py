"""Who may read orders."""

from __future__ import annotations

import asyncpg
import pytest

from orderbus import services, storage
from orderbus.commands import terminal
from orderbus.errors import Invalid, Unauthenticated
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.support import api_key_rows, audit_rows
from tests.support.commands import answered, typed


async def test_a_key_is_kept_only_as_its_hash(database: Database, settings: Settings) -> None:
    key = (await services.api_keys.create(database, settings, name="shop", actor="command:ann")).key

    await services.api_keys.check(database, settings, key)

    assert key not in await api_key_rows.only(database)


@pytest.mark.parametrize("presented", ["", "obk_", "obk_" + "x" * 43, "\xff" * 47])
async def test_anything_else_is_refused(
    database: Database, settings: Settings, presented: str
) -> None:
    with pytest.raises(Unauthenticated):
        await services.api_keys.check(database, settings, presented)


async def test_a_revoked_key_is_refused(database: Database, settings: Settings) -> None:
    made = await services.api_keys.create(database, settings, name="shop", actor="command:ann")
    await services.api_keys.revoke(database, made.id, actor="command:ann")

    with pytest.raises(Unauthenticated):
        await services.api_keys.check(database, settings, made.key)


async def test_the_trail_says_who_made_and_who_revoked_a_key_and_shows_nothing_of_it(
    database: Database, env: dict[str, str]
) -> None:
    made = await answered(env, "keys", "create", "shop")
    revoked = await answered(env, "keys", "revoke", str(made["id"]))
    again = await typed(env, "keys", "revoke", str(made["id"]))
    entries = await answered(env, "audit", "list", "--subject", str(made["id"]))

    assert (revoked, again.exit_code) == ({"revoked": made["id"]}, 1)
    assert [(entry["action"], entry["subject_type"]) for entry in entries] == [
        ("api_key.revoked", "api_key"),
        ("api_key.created", "api_key"),
    ]
    assert (entries[1]["after"]["name"], entries[0]["before"]) == ("shop", {"revoked_at": None})
    assert {entry["actor"] for entry in entries} == {terminal.actor()}
    written = await audit_rows.written(database)
    assert made["key"] not in written
    assert await api_key_rows.hash_of_only(database) not in written


async def test_a_key_that_could_not_be_noted_is_not_made(
    database: Database, settings: Settings
) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await services.api_keys.create(database, settings, name="shop", actor="a" * 201)

    assert await database.ask(storage.api_keys.list_all) == []


@pytest.mark.parametrize("name", ["", "n" * 101, "two\nlines", "\x1b[31m", "\udcff"], ids=ascii)
async def test_a_name_that_no_line_could_hold_is_refused(
    database: Database, settings: Settings, name: str
) -> None:
    with pytest.raises(Invalid, match="1 to 100 printable characters"):
        await services.api_keys.create(database, settings, name=name, actor="command:ann")

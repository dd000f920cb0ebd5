"""Operators add, list, disable and enable people; no password stands on a command line."""

from __future__ import annotations

import asyncio
import json

import pytest
from click.testing import CliRunner, Result

from orderbus.commands.cli import main
from orderbus.services import retention
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.support import identity, retention_rows, sign_in_rows, user_rows
from tests.support.api_client import Client
from tests.support.commands import GIVEN, answered, typed
from tests.support.identity import PASSWORD, post

PIPED = f"{PASSWORD}\n"


async def piped(env: dict[str, str], *words: str, given: str = PIPED) -> Result:
    """Type a command that reads a password from a pipe."""
    return await asyncio.to_thread(
        CliRunner().invoke, main, list(words), env={**GIVEN, **env}, input=given
    )


async def test_who_is_added_signs_in_with_the_password_that_was_piped(
    client: Client, database: Database, env: dict[str, str]
) -> None:
    done = await piped(env, "users", "create", "jane", "--email", "j@example.com", "--json")

    added = json.loads(done.stdout)
    signed_in = await post(client, "token/", username="jane", password=PASSWORD)
    assert (added["username"], added["role"]) == ("jane", "customer")
    assert signed_in.status == 200
    assert PASSWORD not in done.output + await user_rows.everything(database)


@pytest.mark.parametrize("command", ["create-superuser", "createsuperuser"])
async def test_a_superuser_is_added_under_both_names_of_the_command(
    database: Database, env: dict[str, str], command: str
) -> None:
    await piped(env, command, "--username", "boss")

    (found,) = await answered(env, "users", "list", "--role", "superuser")
    assert (found["username"], found["email"], found["disabled_at"]) == ("boss", None, None)


async def test_what_cannot_be_is_refused_and_adds_nobody(
    database: Database, env: dict[str, str]
) -> None:
    await identity.add(database, "jane")

    refusals = [
        await piped(env, "users", "create", name, given=given)
        for name, given in (
            ("JANE", PIPED),
            ("two words", PIPED),
            ("joe", "short\n"),
            ("joe", ""),
            ("joe", "x" * 2000),
        )
    ]

    assert {refusal.exit_code for refusal in refusals} == {1}
    assert "already exists" in refusals[0].output
    assert "too short" in refusals[2].output
    assert len(await answered(env, "users", "list")) == 1


async def test_who_is_disabled_is_let_in_again_when_they_are_enabled(
    client: Client, database: Database, env: dict[str, str]
) -> None:
    await identity.add(database, "jane")
    found = []
    for command in ("disable", "enable"):
        await answered(env, "users", command, "Jane")
        response = await post(client, "token/", username="jane", password=PASSWORD)
        found.append(response.status)

    assert found == [401, 200]
    assert (await typed(env, "users", "disable", "nobody")).exit_code == 1


async def test_a_reset_that_a_command_shows_is_good_once(
    client: Client, database: Database, env: dict[str, str]
) -> None:
    await identity.add(database, "jane")
    shown = await answered(env, "users", "reset-password", "jane")

    answers = [
        await post(client, "password/reset/", token=shown["token"], password="battery staple")
        for _ in range(2)
    ]

    assert [answer.status for answer in answers] == [200, 400]


async def test_the_list_goes_on_behind_an_id(database: Database, env: dict[str, str]) -> None:
    for name in ("a", "b", "c"):
        await identity.add(database, name)

    first = await answered(env, "users", "list", "--limit", "2")
    rest = await answered(env, "users", "list", "--after", first[-1]["id"])

    assert [each["username"] for each in (*first, *rest)] == ["a", "b", "c"]


async def test_what_expired_of_sign_ins_goes_after_a_day(
    database: Database, settings: Settings
) -> None:
    jane = await identity.add(database, "jane")
    for ended in ("2 days", "1 hour", "-1 hour"):
        await sign_in_rows.add(database, jane.id, ended=ended)

    await retention_rows.make_due(database)
    await retention.tick(database, settings)

    assert await sign_in_rows.counts(database) == {"throttles": 2, "tokens": 2, "resets": 2}

"""API keys have scopes, an owner, an end and a last use; those from before keep what they could."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from orderbus import services, storage
from orderbus.domain.rights import BEFORE_SCOPES, Role, Scope
from orderbus.errors import Unauthenticated
from orderbus.settings import Settings
from orderbus.storage import migrations
from orderbus.storage.api_keys import ApiKey
from orderbus.storage.database import Database
from tests.conftest import settings_from
from tests.support import api_key_rows, identity
from tests.support.api_client import Client
from tests.support.commands import answered, typed
from tests.support.identity import SignedIn, refused
from tests.support.migration_files import NAMES
from tests.support.waiting import PATIENCE

MIGRATION = "0027.people-and-scopes"


@pytest.fixture
def settings(env: dict[str, str]) -> Settings:
    return settings_from(env, auth="required", webhook_secrets="shared")


@pytest.fixture
async def boss(client: Client, database: Database, settings: Settings) -> SignedIn:
    return await identity.signed_in(client, database, settings, "boss", Role.SUPERUSER)


async def status(client: Client, key: str, path: str = "/orders") -> int:
    return (await client.get(path, headers={"X-API-Key": key})).status


async def kept(database: Database) -> dict[str, ApiKey]:
    return {key.name: key for key in await database.ask(storage.api_keys.list_all)}


def migrate(settings: Settings, *, down: bool) -> None:
    """Undo this migration and those that came later, or do them."""
    with migrations.locked(settings, wait=timedelta(seconds=PATIENCE), waiting=print):
        if not down:
            migrations.migrate(settings)
            return
        newest = len(NAMES) - NAMES.index(MIGRATION)
        foreseen = migrations.rollback(settings, newest=newest, agreed=None)
        migrations.rollback(settings, newest=newest, agreed=foreseen.losses)


async def test_a_key_from_before_keeps_what_it_could_do_and_is_let_in_to_nothing_new(
    client: Client, database: Database, settings: Settings
) -> None:
    await asyncio.to_thread(migrate, settings, down=True)
    key = await api_key_rows.add_as_before_scopes(database, settings, "shop")
    await asyncio.to_thread(migrate, settings, down=False)
    later = await api_key_rows.add_as_before_scopes(database, settings, "made by the old version")

    caller = await services.api_keys.check(database, settings, key)

    assert caller.holds == frozenset(BEFORE_SCOPES)
    assert (await services.api_keys.check(database, settings, later)).holds == caller.holds
    paths = ("/orders", "/carts", "/api/v1/webhook-endpoints", "/api/v1/dead-letters")
    assert {await status(client, key, path) for path in paths} == {200}
    assert await status(client, key, "/api/identity/customers/") == 403


async def test_a_rollback_with_rows_revokes_the_keys_that_could_do_more_after_it(
    database: Database, settings: Settings, boss: SignedIn
) -> None:
    for name, about in {
        "all": {},
        "one scope": {"scopes": [Scope.ORDERS_READ]},
        "owned": {"owner_id": boss.user.id},
        "ends": {"expires_at": boss.user.created_at + timedelta(days=90)},
    }.items():
        await services.api_keys.create(database, settings, name=name, actor="test", **about)  # type: ignore[arg-type]

    await asyncio.to_thread(migrate, settings, down=True)
    await asyncio.to_thread(migrate, settings, down=False)

    assert [name for name, key in (await kept(database)).items() if key.revoked_at is None] == [
        "all"
    ]


async def test_a_key_is_refused_from_its_end_on(
    client: Client, database: Database, env: dict[str, str]
) -> None:
    made = await answered(env, "keys", "create", "shop", "--expires", "90d")
    assert await status(client, made["key"]) == 200

    await api_key_rows.end(database, timedelta(days=91))

    assert await status(client, made["key"]) == 401


async def test_a_key_goes_with_its_owner(
    client: Client, database: Database, env: dict[str, str]
) -> None:
    await identity.add(database, "jane")
    made = await answered(env, "keys", "create", "shop", "--owner", "JANE")
    assert await status(client, made["key"]) == 200

    await answered(env, "users", "disable", "jane")
    assert await status(client, made["key"]) == 401

    await answered(env, "users", "enable", "jane")
    assert await status(client, made["key"]) == 200
    assert (await kept(database))["shop"].owner == "jane"


async def test_when_a_key_was_used_last_is_noted_once_a_minute(
    client: Client, database: Database, env: dict[str, str]
) -> None:
    made = await answered(env, "keys", "create", "shop")
    seen = []
    for _ in range(2):
        await status(client, made["key"])
        seen.append((await kept(database))["shop"].last_used_at)
    await api_key_rows.use_before(database, timedelta(minutes=2))
    await status(client, made["key"])

    again = (await kept(database))["shop"].last_used_at
    assert seen[0] == seen[1]
    assert seen[0] is not None
    assert again is not None
    assert again > seen[0]


async def test_a_key_whose_row_somebody_else_holds_is_used_all_the_same(
    client: Client, database: Database, env: dict[str, str]
) -> None:
    made = await answered(env, "keys", "create", "shop")

    async with database.transaction() as connection:
        await storage.api_keys.note_use(connection, made["id"])
        async with asyncio.timeout(PATIENCE):
            assert await status(client, made["key"]) == 200


async def test_the_commands_name_scopes_and_refuse_what_is_none(
    database: Database, env: dict[str, str]
) -> None:
    scopes = ("--scope", "orders:read", "--scope", "catalog:write")
    await answered(env, "keys", "create", "shop", *scopes)

    refusals = [
        await typed(env, "keys", "create", "x", *options)
        for options in (
            ("--scope", "everything"),
            ("--expires", "2020-01-01"),
            ("--expires", "soon"),
            ("--owner", "nobody"),
        )
    ]

    assert (await kept(database))["shop"].scopes == ["orders:read", "catalog:write"]
    assert [refusal.exit_code for refusal in refusals] == [2, 2, 2, 1]
    assert len(await kept(database)) == 1


async def test_over_http_a_key_is_shown_once_listed_and_revoked(boss: SignedIn) -> None:
    body = {"name": "shop", "scopes": ["orders:read"], "expires_at": "2036-01-02T03:04:05Z"}
    made = await boss.ask("POST", "api-keys/", body)
    key = await made.json()

    listed = await (await boss.ask("GET", "api-keys/")).text()
    before = await status(boss.client, key["key"])
    revoked = await boss.ask("DELETE", f"api-keys/{key['id']}/")
    again = await boss.ask("DELETE", f"api-keys/{key['id']}/")

    assert (made.status, key["scopes"]) == (201, ["orders:read"])
    assert key["key"] not in listed
    assert '"owner": "boss"' in listed
    assert (before, revoked.status, again.status) == (200, 204, 404)
    assert await status(boss.client, key["key"]) == 401


async def test_a_key_that_cannot_be_is_refused_with_the_field(boss: SignedIn) -> None:
    good = {"name": "shop", "scopes": ["orders:read"]}
    every: tuple[dict[str, Any], ...] = (
        {"name": ""},
        {"scopes": []},
        {"scopes": ["all"]},
        {"expires_at": "soon"},
        {"scope": "orders:read"},
    )
    for wrong in every:
        response = await boss.ask("POST", "api-keys/", {**good, **wrong})

        (named,) = await refused(response, 400)
        assert named.partition("/")[0] in wrong


async def test_a_scope_of_a_later_version_means_nothing_here(
    database: Database, settings: Settings
) -> None:
    made = await services.api_keys.create(
        database, settings, name="shop", actor="test", scopes=[Scope.ORDERS_READ]
    )
    await api_key_rows.give_scope_of_later(database, "moon:read")

    caller = await services.api_keys.check(database, settings, made.key)

    assert caller.holds == {Scope.ORDERS_READ}
    with pytest.raises(Unauthenticated):
        await services.api_keys.check(database, settings, made.key[:-1])

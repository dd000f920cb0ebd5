"""Tokens: what is let in, what is not, and what a copied one does."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from orderbus import services
from orderbus.domain.rights import Role
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.conftest import settings_from
from tests.support import identity, user_rows
from tests.support.api_client import Client, problem
from tests.support.identity import SignedIn, post, refused

BAD = {"detail": "Token is invalid or expired", "code": "token_not_valid"}
COPIED = {"detail": "Token is blacklisted", "code": "token_not_valid"}
WRONG_TYPE = {"detail": "Token has wrong type", "code": "token_not_valid"}


@pytest.fixture
def settings(env: dict[str, str]) -> Settings:
    return settings_from(env, auth="required", webhook_secrets="shared")


@pytest.fixture
async def jane(client: Client, database: Database, settings: Settings) -> SignedIn:
    return await identity.signed_in(client, database, settings, "jane")


def claims(token: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


def signed(content: dict[str, Any], key: bytes = bytes(64), algorithm: str = "HS256") -> str:
    return jwt.encode(content, key, algorithm=algorithm)


def unsigned(content: dict[str, Any]) -> str:
    head = {"alg": "none", "typ": "JWT"}
    return ".".join([*(_part(each) for each in (head, content)), ""])


def _part(members: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(members).encode()).decode().rstrip("=")


def with_other_claims(token: str) -> str:
    head, _, signature = token.split(".")
    return ".".join([head, _part({**claims(token), "user_id": 1}), signature])


def as_none(token: str) -> str:
    _, content, signature = token.split(".")
    return ".".join([_part({"alg": "none", "typ": "JWT"}), content, signature])


#: What somebody makes of a token that they have.
FORGED: dict[str, Callable[[str], str]] = {
    "another key": lambda token: signed(claims(token)),
    "another algorithm": lambda token: signed(claims(token), algorithm="HS512"),
    "no algorithm": lambda token: unsigned(claims(token)),
    "its signature under no algorithm": as_none,
    "other claims": with_other_claims,
    "cut": lambda token: token[:-4],
    "no token": lambda _: "a.b.c",
    "dots": lambda _: "..",
    "no text": lambda _: "\xff.\xff.\xff",
    "a head that is no object": lambda token: ".".join([_part([]), *token.split(".")[1:]]),  # type: ignore[arg-type]
    "long": lambda token: token.replace(".", "." + "e" * 3_000, 1),
}


async def test_a_token_that_is_not_ours_is_refused(jane: SignedIn) -> None:
    for name, forge in FORGED.items():
        forged = forge(jane.access)

        asked = await SignedIn(jane.client, jane.user, forged, "").ask("GET", "me/")
        verified = await post(jane.client, "token/verify/", token=forged)
        refreshed = await post(jane.client, "token/refresh/", refresh=forge(jane.refresh))

        refusal = await refused(asked, 401)
        assert (name, refusal["code"]) == (name, BAD["code"])
        assert asked.headers["WWW-Authenticate"].startswith("Bearer")
        assert refusal["messages"][0]["token_type"] == "access"
        assert [await refused(each, 401) for each in (verified, refreshed)] == [BAD] * 2, name


async def test_a_token_has_the_claims_that_clients_of_the_shop_read(jane: SignedIn) -> None:
    found = claims(jane.access)

    assert (found["token_type"], found["user_id"]) == ("access", jane.user.id)
    assert (found["email"], found["public_id"]) == ("jane@example.com", str(jane.user.uuid))
    assert found["exp"] - found["iat"] == 20 * 60
    assert claims(jane.refresh)["exp"] - claims(jane.refresh)["iat"] == 30 * 24 * 3600
    assert jwt.get_unverified_header(jane.access)["alg"] == "HS256"


async def test_a_token_that_has_expired_is_refused(
    client: Client, database: Database, settings: Settings
) -> None:
    user = await identity.add(database, "jane")
    async with database.transaction() as connection:
        for age, status in ((timedelta(minutes=19), 200), (timedelta(minutes=21), 401)):
            pair = await services.tokens.issue(
                connection, settings, user, now=datetime.now(UTC) - age
            )
            asked = await SignedIn(client, user, pair.access, "").ask("GET", "me/")
            assert asked.status == status
        old = await services.tokens.issue(
            connection, settings, user, now=datetime.now(UTC) - timedelta(days=31)
        )

    assert await refused(await post(client, "token/refresh/", refresh=old.refresh), 401) == BAD


async def test_each_kind_of_token_is_good_for_its_own(jane: SignedIn) -> None:
    refreshed = await post(jane.client, "token/refresh/", refresh=jane.access)
    left = await post(jane.client, "logout/", refresh=jane.access)
    jane.access = jane.refresh
    asked = await jane.ask("GET", "me/")

    assert [await refused(each, 401) for each in (refreshed, left)] == [WRONG_TYPE] * 2
    assert (await refused(asked, 401))["code"] == "token_not_valid"


async def test_a_good_token_is_verified_and_says_who_calls(jane: SignedIn) -> None:
    for token in (jane.access, jane.refresh):
        response = await post(jane.client, "token/verify/", token=token)
        assert (response.status, await response.json()) == (200, {})

    me = await (await jane.ask("GET", "me/")).json()

    assert (me["username"], me["role"], me["public_id"]) == (
        "jane",
        "customer",
        str(jane.user.uuid),
    )


async def test_a_refresh_token_is_good_once_and_its_second_use_ends_the_family(
    jane: SignedIn, database: Database
) -> None:
    first = await post(jane.client, "token/refresh/", refresh=jane.refresh)
    pair = await first.json()

    again = await post(jane.client, "token/refresh/", refresh=jane.refresh)
    after = await post(jane.client, "token/refresh/", refresh=pair["refresh"])
    asked = [
        await SignedIn(jane.client, jane.user, token, "").ask("GET", "me/")
        for token in (jane.access, pair["access"])
    ]

    assert first.status == 200
    assert [await refused(each, 401) for each in (again, after)] == [COPIED] * 2
    assert [each.status for each in asked] == [401, 401]
    assert await user_rows.tokens(database) == {"kept": 2, "revoked": 2}


async def test_a_refresh_token_that_two_use_at_once_gives_one_pair(jane: SignedIn) -> None:
    answers = await asyncio.gather(
        *(post(jane.client, "token/refresh/", refresh=jane.refresh) for _ in range(4))
    )

    assert sorted(each.status for each in answers) == [200, 401, 401, 401]


async def test_who_signs_in_out_and_is_removed_at_once_waits_in_no_circle(
    client: Client, database: Database, settings: Settings
) -> None:
    for number in range(3):
        jane = await identity.signed_in(client, database, settings, f"jane{number}")
        pairs = [await identity.pair_of(database, settings, jane.user) for _ in range(6)]
        asked = [
            post(client, path, refresh=pair.refresh)
            for pair in pairs
            for path in ("token/refresh/", "logout/", "token/refresh/")
        ]

        answers = await asyncio.gather(
            *asked,
            jane.ask("POST", f"customers/{jane.user.id}/erase/"),
            jane.ask("DELETE", f"customers/{jane.user.id}/"),
        )

        assert {answer.status for answer in answers} <= {200, 204, 401, 404}


async def test_another_sign_in_goes_on_when_a_family_ends(
    jane: SignedIn, database: Database, settings: Settings
) -> None:
    phone = await identity.pair_of(database, settings, jane.user)

    assert (await post(jane.client, "logout/", refresh=jane.refresh)).status == 200

    assert (await jane.ask("GET", "me/")).status == 401
    assert (await post(jane.client, "token/refresh/", refresh=jane.refresh)).status == 401
    assert (await post(jane.client, "token/refresh/", refresh=phone.refresh)).status == 200


async def test_a_changed_password_ends_every_sign_in(jane: SignedIn) -> None:
    wrong = await jane.ask(
        "POST", "password/change/", {"old_password": "wrong", "password": "battery staple"}
    )
    short = await jane.ask(
        "POST", "password/change/", {"old_password": identity.PASSWORD, "password": "short"}
    )
    done = await jane.ask(
        "POST",
        "password/change/",
        {"old_password": identity.PASSWORD, "password": "battery staple"},
    )

    assert await refused(wrong, 400) == {"old_password": ["This is not your password."]}
    assert set(await refused(short, 400)) == {"password"}
    assert done.status == 200
    assert (await jane.ask("GET", "me/")).status == 401
    assert (await post(jane.client, "token/refresh/", refresh=jane.refresh)).status == 401
    for password, status in ((identity.PASSWORD, 401), ("battery staple", 200)):
        again = await post(jane.client, "token/", username="jane", password=password)
        assert again.status == status


async def test_who_is_disabled_is_refused_from_that_moment_on(
    jane: SignedIn, database: Database
) -> None:
    async with database.transaction() as connection:
        await services.users.disable(connection, jane.user.id, actor="test")

    assert (await jane.ask("GET", "me/")).status == 401
    refreshed = await post(jane.client, "token/refresh/", refresh=jane.refresh)
    assert (await refused(refreshed, 401))["code"] == "token_not_valid"


async def test_a_token_resets_a_password_once_and_within_its_time(
    client: Client, database: Database, settings: Settings
) -> None:
    staff = await identity.signed_in(client, database, settings, "boss", Role.STAFF)
    jane = await identity.signed_in(client, database, settings, "jane")
    path = f"customers/{jane.user.id}/password/reset/"
    given = [(await (await staff.ask("POST", path)).json())["token"] for _ in range(2)]

    answers = [
        await post(client, "password/reset/", token=token, password="battery staple")
        for token in (*given, given[1])
    ]
    expired = (await (await staff.ask("POST", path)).json())["token"]
    await user_rows.end_resets(database)
    late = await post(client, "password/reset/", token=expired, password="another staple")

    assert [each.status for each in answers] == [400, 200, 400]  # the first was replaced
    assert set(await refused(late, 400)) == {"token"}
    assert (await jane.ask("GET", "me/")).status == 401
    signed_in = await post(client, "token/", username="jane", password="battery staple")
    assert signed_in.status == 200
    assert given[1] not in await user_rows.everything(database)


async def test_a_token_is_refused_on_the_other_paths_as_a_problem(
    client: Client, jane: SignedIn
) -> None:
    headers = {"Authorization": f"Bearer {FORGED['another key'](jane.access)}"}

    response = await client.get("/orders", headers=headers)

    await problem(response, 401, "token-not-valid")


async def test_nothing_that_is_kept_could_be_used_as_a_token(
    jane: SignedIn, database: Database
) -> None:
    kept = await user_rows.everything(database)

    assert identity.PASSWORD not in kept
    assert all(part not in kept for part in jane.refresh.split(".")[1:])

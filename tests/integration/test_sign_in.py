"""People register and sign in; what they hear is what clients of the original shop read."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orderbus import services
from orderbus.errors import Unavailable
from orderbus.services import throttles
from orderbus.services.passwords import Passwords
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.conftest import settings_from
from tests.support import identity, throttle_rows
from tests.support.api_client import Client, serving
from tests.support.identity import PASSWORD, post, refused, registration

NO_ACCOUNT = {
    "detail": "No active account found with the given credentials",
    "code": "no_active_account",
}
REQUIRED, BLANK = "This field is required.", "This field may not be blank."


@pytest.fixture
def settings(env: dict[str, str]) -> Settings:
    return settings_from(env, auth="required", webhook_secrets="shared")


def change(**members: Any) -> dict[str, Any]:
    return {**registration("jane"), **members}


#: What comes, and what is said to be wrong with it.
WRONG: list[tuple[dict[str, Any], dict[str, list[str]]]] = [
    ({}, {name: [REQUIRED] for name in registration("")}),
    (change(username=" "), {"username": [BLANK]}),
    (change(username=None), {"username": ["This field may not be null."]}),
    (change(username=17), {"username": ["Not a valid string."]}),
    (change(username="a\x00b"), {"username": ["Not a valid string."]}),
    (
        change(username="j" * 151),
        {"username": ["Ensure this field has no more than 150 characters."]},
    ),
    (
        change(username="jane doe"),
        {
            "username": [
                "Enter a valid username. This value may contain only letters, numbers, and "
                "@/./+/-/_ characters."
            ]
        },
    ),
    (change(email="jane"), {"email": ["Enter a valid email address."]}),
    (change(email="jane@a\nb.c"), {"email": ["Enter a valid email address."]}),
    (change(password2="another one"), {"password": ["Password fields didn't match."]}),
]
GUESSED = [
    ("secret7", "This password is too short. It must contain at least 8 characters."),
    ("1029384756", "This password is entirely numeric."),
    ("Password123", "This password is too common."),
    ("abababab", "This password is too common."),
    ("janedoe1", "The password is too similar to the username."),
]


async def test_each_field_that_is_wrong_is_named_with_why(client: Client) -> None:
    for body, wrong in WRONG:
        assert await refused(await post(client, "register/", **body), 400) == wrong


async def test_a_password_that_is_guessed_at_once_is_refused(client: Client) -> None:
    for password, why in GUESSED:
        response = await post(client, "register/", **registration("janedoe", password))

        assert why in (await refused(response, 400))["password"]


async def test_a_name_and_an_email_belong_to_one_person_however_they_are_written(
    client: Client,
) -> None:
    assert (await post(client, "register/", **registration("Jane"))).status == 201

    by_name = await post(client, "register/", **change(username="jANE", email="a@b.example"))
    by_email = await post(client, "register/", **change(username="x", email="JANE@example.com"))

    assert await refused(by_name, 400) == {
        "username": ["A user with that username already exists."]
    }
    assert await refused(by_email, 400) == {"email": ["This field must be unique."]}


async def test_two_who_take_one_name_at_the_same_moment_do_not_both_get_it(
    client: Client,
) -> None:
    answers = await asyncio.gather(
        *(post(client, "register/", **registration("jane")) for _ in range(4))
    )

    assert sorted(answer.status for answer in answers) == [201, 400, 400, 400]


async def test_a_wrong_name_a_wrong_password_and_somebody_disabled_hear_the_same(
    client: Client, database: Database
) -> None:
    await identity.add(database, "jane")
    gone = await identity.add(database, "gone")
    async with database.transaction() as connection:
        await services.users.disable(connection, gone.id, actor="test")

    answers = [
        await refused(await post(client, "token/", username=name, password=password), 401)
        for name, password in (("jane", "wrong"), ("nobody", PASSWORD), ("gone", PASSWORD))
    ]

    assert answers == [NO_ACCOUNT] * 3
    assert (await post(client, "token/", username="JANE", password=PASSWORD)).status == 200


async def test_where_there_is_nobody_a_password_costs_as_much_as_where_there_is(
    client: Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[str | None] = []
    matches = Passwords.matches

    async def seen(self: Passwords, password_hash: str | None, password: str) -> bool:
        compared.append(password_hash)
        return await matches(self, password_hash, password)

    monkeypatch.setattr(Passwords, "matches", seen)
    await post(client, "token/", username="nobody", password="wrong")

    assert compared == [None]
    assert not await Passwords().matches(None, "nobody")


async def test_what_is_no_object_is_refused_in_one_sentence(client: Client) -> None:
    headers = {"Content-Type": "application/json"}

    for body in (b"[]", b'"x"', b"{", b'{"username": "a", "username": "b"}', b""):
        response = await client.post("/api/identity/token/", data=body, headers=headers)

        assert set(await refused(response, 400)) == {"detail"}


async def test_what_is_not_there_and_what_is_not_done_there_is_said_as_the_shop_did(
    client: Client,
) -> None:
    nowhere = await client.get("/api/identity/nowhere/")
    nothing = await client.get("/api/identity/token/")

    assert await refused(nowhere, 404) == {"detail": "Not Found"}
    assert await refused(nothing, 405) == {"detail": "Method Not Allowed"}
    assert nothing.headers["Allow"] == "POST"


# -- who guesses ---------------------------------------------------------------------------------


async def guess(client: Client, name: str, **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = {"username": name, "password": "wrong"}
    return (await client.post("/api/identity/token/", json=body, headers=named)).status


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let so few tries be enough that a test need not make many."""
    monkeypatch.setattr(throttles, "OF_ACCOUNT", 2)
    monkeypatch.setattr(throttles, "FROM_ADDRESS", 4)
    monkeypatch.setattr(throttles, "REGISTERING", 1)


async def test_who_guesses_the_password_of_one_account_is_held_up(
    client: Client, database: Database, few: None
) -> None:
    await identity.add(database, "jane")
    guesses = [await guess(client, name) for name in ("jane", "Jane", "JANE")]

    response = await post(client, "token/", username="jane", password=PASSWORD)

    assert guesses == [401, 401, 429]
    assert (await refused(response, 429))["detail"].startswith("Request was throttled.")
    seconds = response.headers["Retry-After"]
    assert 0 < int(seconds) <= throttles.WITHIN.total_seconds()
    limits = [response.headers[f"RateLimit-{name}"] for name in ("Limit", "Remaining", "Reset")]
    assert limits == ["2", "0", seconds]


async def test_an_account_that_is_not_there_is_held_up_as_one_that_is(
    client: Client, few: None
) -> None:
    assert [await guess(client, "nobody") for _ in range(3)] == [401, 401, 429]


async def test_who_guesses_from_one_address_is_held_up_whatever_the_name(
    client: Client, database: Database, few: None
) -> None:
    assert [await guess(client, f"n{n}") for n in range(6)] == [401] * 4 + [429] * 2

    named = [each for each in await throttle_rows.subjects(database) if each[:7] == "account"]
    assert len(named) == 4  # nothing is written for a name that was not even looked at


async def test_after_a_while_it_may_be_tried_again(
    client: Client, database: Database, few: None
) -> None:
    await identity.add(database, "jane")
    for _ in range(3):
        await guess(client, "jane")
    await throttle_rows.pass_by(database, throttles.WITHIN)

    response = await post(client, "token/", username="jane", password=PASSWORD)

    assert response.status == 200


async def test_who_knows_the_password_after_all_begins_anew(
    client: Client, database: Database, few: None
) -> None:
    await identity.add(database, "jane")
    for _ in range(2):
        assert await guess(client, "jane") == 401
        assert (await post(client, "token/", username="jane", password=PASSWORD)).status == 200

    assert await throttle_rows.subjects(database) == {"address:127.0.0.1": 2}


async def test_guesses_at_once_are_no_more_than_guesses_one_by_one(
    client: Client, few: None
) -> None:
    found = await asyncio.gather(*(guess(client, "jane") for _ in range(8)))

    assert sorted(found) == [401] * 2 + [429] * 6


async def test_who_registers_without_end_is_held_up(client: Client, few: None) -> None:
    answers = [(await post(client, "register/", **registration(f"n{n}"))).status for n in range(3)]

    assert answers == [201, 429, 429]


@pytest.mark.parametrize(
    ("proxies", "statuses"), [("127.0.0.0/8", [401] * 6), ("", [401] * 4 + [429] * 2)]
)
async def test_whom_a_proxy_speaks_for_counts_where_it_is_one_of_ours(
    env: dict[str, str], database: Database, few: None, proxies: str, statuses: list[int]
) -> None:
    settings = settings_from(env, auth="required", webhook_secrets="s", trusted_proxies=proxies)
    async with serving(settings) as client:
        found = [
            await guess(client, f"n{n}", X_Forwarded_For=f"6.6.6.6, 203.0.113.{n}")
            for n in range(6)
        ]

    assert found == statuses


async def test_a_flood_of_sign_ins_is_refused_before_it_takes_memory_or_threads() -> None:
    passwords = Passwords(at_most=3)

    found = await asyncio.gather(
        *(passwords.hash("correct horse") for _ in range(10)), return_exceptions=True
    )

    refusals = [each for each in found if isinstance(each, Unavailable)]
    assert len(refusals) == 7
    assert all(str(each).startswith("$argon2id$v=19$m=19456,t=2,p=1$") for each in found[:3])
    assert await passwords.matches(str(found[0]), "correct horse")
    passwords.close()

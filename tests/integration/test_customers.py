"""Customers see and change themselves; staff see and change everybody who is not above them."""

from __future__ import annotations

from typing import Any

import pytest

from orderbus.domain.rights import Role
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.conftest import settings_from
from tests.support import identity, order_rows, scenario, user_rows
from tests.support.api_client import Client
from tests.support.identity import SignedIn, post, refused


@pytest.fixture
def settings(env: dict[str, str]) -> Settings:
    return settings_from(env, auth="required", webhook_secrets="shared")


@pytest.fixture
async def people(client: Client, database: Database, settings: Settings) -> dict[Role, SignedIn]:
    """Somebody of each role, by id in this order."""
    roles = (Role.SUPERUSER, Role.STAFF, Role.SUPPORT, Role.CUSTOMER)
    return {
        role: await identity.signed_in(client, database, settings, f"{role}", role)
        for role in roles
    }


async def test_to_a_customer_nobody_else_is_there(people: dict[Role, SignedIn]) -> None:
    jane, boss = people[Role.CUSTOMER], people[Role.SUPERUSER].user.id
    body = {"username": "mine"}

    page = await (await jane.ask("GET", "customers/")).json()
    beyond = await (await jane.ask("GET", "customers/?offset=1")).json()
    others = [
        await jane.ask(method, f"customers/{who}/{path}", body if method[0] == "P" else None)
        for who in (boss, 4711)
        for method, path in (
            *(("GET", ""), ("PUT", ""), ("PATCH", ""), ("DELETE", "")),
            ("POST", "erase/"),
        )
    ]

    assert (page["count"], [each["id"] for each in page["results"]]) == (1, [jane.user.id])
    assert (beyond["count"], beyond["results"]) == (1, [])
    assert {each.status for each in others} == {404}
    assert {str(await each.json()) for each in others} == {"{'detail': 'Not found.'}"}


async def test_customers_change_themselves(people: dict[Role, SignedIn]) -> None:
    jane = people[Role.CUSTOMER]
    one = f"customers/{jane.user.id}/"

    await jane.ask("PATCH", one, {"first_name": " Jane ", "last_name": "Doe"})
    changed = await jane.ask("PUT", one, {"username": "jane", "email": "", "role": "superuser"})

    customer = await changed.json()
    assert changed.status == 200
    assert (customer["username"], customer["first_name"]) == ("jane", "Jane")
    assert (customer["last_name"], customer["email"]) == ("Doe", "")
    assert (await (await jane.ask("GET", "me/")).json())["role"] == "customer"


async def test_a_name_that_is_taken_is_refused_with_the_field(
    people: dict[Role, SignedIn],
) -> None:
    jane = people[Role.CUSTOMER]

    response = await jane.ask("PATCH", f"customers/{jane.user.id}/", {"username": "STAFF"})

    assert set(await refused(response, 400)) == {"username"}


#: Who may change whom; the last of each are themselves.
CHANGES = (
    (Role.SUPERUSER, Role.STAFF, 200),
    (Role.STAFF, Role.SUPERUSER, 403),
    (Role.STAFF, Role.SUPPORT, 200),
    (Role.STAFF, Role.CUSTOMER, 200),
    (Role.STAFF, Role.STAFF, 200),
    (Role.SUPPORT, Role.CUSTOMER, 404),
    (Role.SUPPORT, Role.SUPPORT, 200),
)


async def test_nobody_changes_somebody_who_may_do_more(people: dict[Role, SignedIn]) -> None:
    for by, whom, status in CHANGES:
        user_id = people[whom].user.id

        response = await people[by].ask("PATCH", f"customers/{user_id}/", {"first_name": "x"})

        assert (by, whom, response.status) == (by, whom, status)


async def test_staff_gives_nobody_above_them_a_new_password(
    people: dict[Role, SignedIn],
) -> None:
    boss = people[Role.SUPERUSER].user.id

    response = await people[Role.STAFF].ask("POST", f"customers/{boss}/password/reset/")

    assert response.status == 403


async def test_pages_of_ten_link_to_one_another(
    people: dict[Role, SignedIn], database: Database
) -> None:
    for number in range(19):
        await identity.add(database, f"n{number}")
    support, page, seen = people[Role.SUPPORT], "/api/identity/customers/", []
    root = str(support.client.make_url("/api/identity/customers/"))
    pages: list[dict[str, Any]] = []
    while page:
        pages.append(await (await support.ask("GET", page.removeprefix(root[:-24]))).json())
        seen += [each["id"] for each in pages[-1]["results"]]
        page = pages[-1]["next"]

    assert [len(each["results"]) for each in pages] == [10, 10, 3]
    assert (seen, {each["count"] for each in pages}) == (sorted(seen), {23})
    assert [each["next"] for each in pages] == [
        f"{root}?limit=10&offset=10",
        f"{root}?limit=10&offset=20",
        None,
    ]
    assert [each["previous"] for each in pages] == [
        None,
        f"{root}?limit=10",
        f"{root}?limit=10&offset=10",
    ]


async def test_a_slip_in_the_query_is_named(people: dict[Role, SignedIn]) -> None:
    for query in ("limit=0", "limit=ten", "offset=-1", "limit=1&limit=2", "page=2"):
        response = await people[Role.SUPPORT].ask("GET", f"/api/identity/customers/?{query}")

        assert set(await refused(response, 400)) == {query.partition("=")[0]}


async def test_what_is_no_number_names_nobody(people: dict[Role, SignedIn]) -> None:
    for name in ("x", "1.0", "-1", "9" * 19):
        response = await people[Role.SUPERUSER].ask("GET", f"customers/{name}/")
        assert response.status == 404


async def test_who_is_erased_leaves_their_orders_and_nothing_that_says_who_they_were(
    people: dict[Role, SignedIn], database: Database
) -> None:
    jane = people[Role.CUSTOMER]
    one = f"customers/{jane.user.id}/"
    await jane.ask("PATCH", one, {"username": "janedoe", "first_name": "Jane"})
    await scenario.place(database)

    erased = await jane.ask("POST", f"{one}erase/")

    assert (await erased.json())["public_id"] == str(jane.user.uuid)
    kept = (await user_rows.everything(database)).lower()
    assert [word for word in ("jane", "customer@example") if word in kept] == []
    assert (await jane.ask("GET", "me/")).status == 401
    for name in ("janedoe", f"erased-{jane.user.id}"):
        signing_in = await post(jane.client, "token/", username=name, password=identity.PASSWORD)
        assert signing_in.status == 401
    assert await order_rows.count(database) == 1
    again = await people[Role.STAFF].ask("POST", f"{one}erase/")
    assert again.status == 200


async def test_who_is_removed_is_gone_with_tokens_and_keys(
    people: dict[Role, SignedIn], database: Database
) -> None:
    staff, boss = people[Role.STAFF], people[Role.SUPERUSER]
    made = await boss.ask("POST", "api-keys/", {"name": "b", "scopes": ["orders:read"]})
    headers = {"X-API-Key": (await made.json())["key"]}
    assert (await boss.client.get("/orders", headers=headers)).status == 200

    removed = [await boss.ask("DELETE", f"customers/{each.user.id}/") for each in (staff, boss)]

    assert [each.status for each in removed] == [204, 204]
    assert (await staff.ask("GET", "me/")).status == 401
    assert (await boss.client.get("/orders", headers=headers)).status == 401

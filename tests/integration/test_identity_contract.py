"""What the original shop's tests ask of people who sign in, over HTTP and under their names."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from orderbus.domain.rights import Role
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.conftest import settings_from
from tests.support import identity
from tests.support.api_client import Client
from tests.support.identity import SignedIn

UUIDS = tuple(UUID(f"9feeac87-9058-4c97-a347-ee0b356ee8a{last}") for last in range(2))
ACCOUNT = {"password": "opply123", "password2": "opply123"}


@pytest.fixture
def settings(env: dict[str, str]) -> Settings:
    return settings_from(env, auth="required", webhook_secrets="shared")


@pytest.fixture
async def people(client: Client, database: Database, settings: Settings) -> list[SignedIn]:
    """The two people of the original's data: a superuser, and somebody who is nobody special."""
    found = []
    for name, role, uuid in zip(
        ("opply", "opply_test"), (Role.SUPERUSER, Role.CUSTOMER), UUIDS, strict=True
    ):
        user = await identity.add(database, name, role, uuid=uuid)
        pair = await identity.pair_of(database, settings, user)
        found.append(SignedIn(client, user, pair.access, pair.refresh))
    return found


@pytest.fixture
def opply(people: list[SignedIn]) -> SignedIn:
    """The original let everybody change everybody; here it takes somebody who may."""
    return people[0]


async def test_create_account(client: Client) -> None:
    data = {"username": "opplynewuser", "email": "newuser@opply.com", **ACCOUNT}

    response = await client.post("/api/identity/register/", json=data)

    assert response.status == 201
    assert await response.json() == {"username": "opplynewuser", "email": "newuser@opply.com"}


async def test_user_login(client: Client, people: list[SignedIn]) -> None:
    response = await client.post(
        "/api/identity/token/", json={"username": "opply_test", "password": identity.PASSWORD}
    )

    assert response.status == 200
    assert set(await response.json()) == {"access", "refresh"}


async def test_get_customers(opply: SignedIn) -> None:
    response = await opply.ask("GET", "customers/")

    assert response.status == 200
    page = await response.json()
    assert (page["count"], page["next"], page["previous"]) == (2, None, None)
    assert page["results"][0]["username"] == "opply"
    assert page["results"][1]["public_id"] == str(UUIDS[1])


async def test_create_customer(opply: SignedIn) -> None:
    data = {"username": "newcustomer", "email": "newcustomer@opply.com", **ACCOUNT}

    response = await opply.ask("POST", "customers/", data)

    assert response.status == 201
    assert (await response.json())["username"] == "newcustomer"


async def test_update_customer(opply: SignedIn) -> None:
    data = {"username": "updatedcustomer", "email": "updatedcustomer@opply.com", **ACCOUNT}

    response = await opply.ask("PUT", "customers/1/", data)

    assert response.status == 200
    assert (await response.json())["username"] == "updatedcustomer"


async def test_delete_customer(opply: SignedIn) -> None:
    response = await opply.ask("DELETE", "customers/1/")

    assert response.status == 204
    assert await response.read() == b""


async def test_get_customer(opply: SignedIn) -> None:
    response = await opply.ask("GET", "customers/1/")

    assert response.status == 200
    assert await response.json() == {
        "id": 1,
        "username": "opply",
        "first_name": "",
        "last_name": "",
        "email": "opply@example.com",
        "url": str(opply.client.make_url("/api/identity/customers/1/")),
        "public_id": str(UUIDS[0]),
    }


async def test_the_root_leads_to_what_there_is(client: Client) -> None:
    links: dict[str, Any] = await (await client.get("/api/identity/")).json()

    root = str(client.make_url("/api/identity"))
    assert links == {
        "register": f"{root}/register/",
        "token": f"{root}/token/",
        "refresh": f"{root}/token/refresh/",
        "verify": f"{root}/token/verify/",
        "customers": f"{root}/customers/",
    }

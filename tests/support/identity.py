"""People who sign in, for tests that act as one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import aiohttp
from argon2 import PasswordHasher

from orderbus import services
from orderbus.domain.people import Person
from orderbus.domain.rights import Role
from orderbus.settings import Settings
from orderbus.storage.database import Database
from orderbus.storage.users import User
from tests.support.api_client import Client

ROOT = "/api/identity"
PASSWORD = "correct horse"


@cache
def cheap_hash(password: str = PASSWORD) -> str:
    """A hash that costs next to nothing; what it is made with stands in it."""
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(password)


def registration(username: str, password: str = PASSWORD) -> dict[str, Any]:
    return {
        "username": username,
        "email": f"{username}@example.com",
        "password": password,
        "password2": password,
    }


async def add(database: Database, username: str, role: Role = Role.CUSTOMER, **more: Any) -> User:
    """Add somebody who signs in with ``PASSWORD``."""
    person = Person(username=username, email=f"{username}@example.com")
    async with database.transaction() as connection:
        return await services.users.add(
            connection, person, password_hash=cheap_hash(), role=role, actor="test", **more
        )


@dataclass(slots=True)
class SignedIn:
    """Somebody who is signed in, and asks: below ``/api/identity``, unless a path begins with /."""

    client: Client
    user: User
    access: str
    refresh: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access}"}

    async def ask(
        self, method: str, path: str, json: Any = None, **options: Any
    ) -> aiohttp.ClientResponse:
        url = path if path.startswith("/") else f"{ROOT}/{path}"
        return await self.client.request(method, url, json=json, headers=self.headers, **options)


async def signed_in(
    client: Client,
    database: Database,
    settings: Settings,
    username: str,
    role: Role = Role.CUSTOMER,
) -> SignedIn:
    """Add somebody and sign them in, without the cost of a password."""
    user = await add(database, username, role)
    pair = await pair_of(database, settings, user)
    return SignedIn(client, user, pair.access, pair.refresh)


async def pair_of(database: Database, settings: Settings, user: User) -> services.tokens.Pair:
    async with database.transaction() as connection:
        return await services.tokens.issue(connection, settings, user, now=datetime.now(UTC))


async def post(client: Client, path: str, **members: Any) -> aiohttp.ClientResponse:
    return await client.post(f"{ROOT}/{path}", json=members)


async def refused(response: aiohttp.ClientResponse, status: int) -> dict[str, Any]:
    """Read a refusal in the words of the shop."""
    read: dict[str, Any] = await response.json()
    assert response.status == status, read
    return read

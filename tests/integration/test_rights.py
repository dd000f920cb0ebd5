"""Every route is asked by everybody there can be, and answers those alone who may."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest

from orderbus import services
from orderbus.domain import rights
from orderbus.domain.rights import OF_PEOPLE, Role, Scope
from orderbus.settings import Settings
from orderbus.storage.database import Database
from orderbus.web.app import ROUTES
from tests.conftest import settings_from
from tests.support import identity
from tests.support.api_client import Client, problem, serving

#: Of what there is none; nothing is done to anything.
NONE = {"id": str(uuid4()), "file": "start.js"}

Callers = dict[Role | Scope, dict[str, str]]


@pytest.fixture
def settings(env: dict[str, str]) -> Settings:
    return settings_from(env, auth="required", webhook_secrets="shared")


@pytest.fixture
async def callers(client: Client, database: Database, settings: Settings) -> Callers:
    """What somebody of each role, and a key of each scope, sends to show who they are."""
    found: Callers = {Role.ANONYMOUS: {}}
    for role in OF_PEOPLE:
        somebody = await identity.signed_in(client, database, settings, role, role)
        found[role] = somebody.headers
    for scope in Scope:
        made = await services.api_keys.create(
            database, settings, name=scope, actor="test", scopes=[scope]
        )
        found[scope] = {"X-API-Key": made.key}
    return found


async def test_every_route_answers_those_who_may_and_refuses_everybody_else(
    client: Client, callers: Callers
) -> None:
    wrong = []
    for route in ROUTES:
        path = re.sub(r"{(\w+)}", lambda name: NONE.get(name[1], "4711"), route.path)
        who = rights.right_to(route.name).who
        for caller, headers in callers.items():
            response = await client.request(
                route.method,
                path,
                headers=headers,
                json={} if route.takes else None,
                allow_redirects=False,
            )
            is_refused = response.status in {401, 403}
            expected = {401} if caller is Role.ANONYMOUS else {403}
            if route.access == "signature":
                expected = {401}
            if (caller in who) == is_refused or (is_refused and response.status not in expected):
                wrong.append((route.method, path, str(caller), response.status))

    assert wrong == []
    assert len(ROUTES) * len(callers) > 500


async def test_a_key_is_told_which_scope_it_lacks(client: Client, callers: Callers) -> None:
    response = await client.get("/orders", headers=callers[Scope.ADMIN])

    refusal = await problem(response, 403, "forbidden")
    assert refusal["detail"] == "The API key has not the scope orders:read"


async def test_who_comes_from_this_machine_may_do_all_where_that_is_open(
    env: dict[str, str], database: Database
) -> None:
    async with serving(settings_from(env)) as client:
        paths = ("/orders", "/api/v1/dead-letters", "/api/identity/customers/")
        answers = [await client.get(path) for path in (*paths, "/api/identity/api-keys/")]
        me = await client.get("/api/identity/me/")

    assert {answer.status for answer in answers} == {200}
    assert me.status == 401  # that is nobody who signed in

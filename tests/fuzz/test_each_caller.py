"""Whoever asks is answered as the document says: no fault of ours, no answer that is not in it."""

from __future__ import annotations

import asyncio

import pytest

from orderbus import services
from orderbus.domain.rights import Role, Scope
from orderbus.settings import Settings
from orderbus.storage.database import open_database
from tests.conftest import settings_from
from tests.fuzz.fuzzed_server import Fuzzed, documented
from tests.support import catalog_samples, identity

pytestmark = pytest.mark.timeout(0)

KEYS = {
    "key for orders": {Scope.ORDERS_READ, Scope.ORDERS_WRITE},
    "key for everything": set(Scope),
}


async def _callers(settings: Settings) -> dict[str, dict[str, str]]:
    """Say by which headers each caller is known; the catalogue has something in it by then."""
    callers: dict[str, dict[str, str]] = {"anonymous": {"X-Nobody": "1"}}
    async with open_database(settings) as database:
        await catalog_samples.add_guitars(database, 3)
        for role in (Role.CUSTOMER, Role.SUPPORT, Role.STAFF, Role.SUPERUSER):
            user = await identity.add(database, str(role), role)
            pair = await identity.pair_of(database, settings, user)
            callers[str(role)] = {"Authorization": f"Bearer {pair.access}"}
        for name, scopes in KEYS.items():
            made = await services.api_keys.create(
                database, settings, name=name, actor="test", scopes=scopes
            )
            callers[name] = {"X-API-Key": made.key}
    return callers


def test_each_caller_is_answered_as_the_document_says(
    env: dict[str, str], request: pytest.FixtureRequest
) -> None:
    settings = settings_from(env, auth="required", webhook_secrets="a secret of a shop for tests")
    callers = asyncio.run(_callers(settings))
    seconds = float(request.config.getoption("--fuzz")) * 21 / len(callers)
    fuzzed = Fuzzed(settings)
    with fuzzed.serving():
        asked = {}
        for name, headers in callers.items():
            try:
                asked[name] = documented(fuzzed.url, seconds, headers)
            except BaseException as error:
                error.add_note(f"asked by: {name}")
                raise
    assert min(asked.values()) > 0, asked

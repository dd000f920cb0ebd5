"""Who may read orders."""

from __future__ import annotations

import pytest

from orderbus import services, storage
from orderbus.errors import Invalid, Unauthenticated
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.support import api_key_rows


async def test_a_key_is_kept_only_as_its_hash(database: Database, settings: Settings) -> None:
    key = (await services.api_keys.create(database, settings, name="shop")).key

    await services.api_keys.check(database, settings, key)

    assert key not in await api_key_rows.only(database)


@pytest.mark.parametrize("presented", ["", "obk_", "obk_" + "x" * 43, "\xff" * 47])
async def test_anything_else_is_refused(
    database: Database, settings: Settings, presented: str
) -> None:
    with pytest.raises(Unauthenticated):
        await services.api_keys.check(database, settings, presented)


async def test_a_revoked_key_is_refused(database: Database, settings: Settings) -> None:
    made = await services.api_keys.create(database, settings, name="shop")
    async with database.connection() as connection:
        await storage.api_keys.revoke(connection, made.id)

    with pytest.raises(Unauthenticated):
        await services.api_keys.check(database, settings, made.key)


@pytest.mark.parametrize("name", ["", "n" * 101, "two\nlines", "\x1b[31m", "\udcff"], ids=ascii)
async def test_a_name_that_no_line_could_hold_is_refused(
    database: Database, settings: Settings, name: str
) -> None:
    with pytest.raises(Invalid, match="1 to 100 printable characters"):
        await services.api_keys.create(database, settings, name=name)

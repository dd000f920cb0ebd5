"""Which PostgreSQL the floor runs on: the installed one, and once more version 17."""

from __future__ import annotations

import os
import shutil

import pytest

from orderbus.devtools import postgres
from orderbus.devtools.postgres import NativePostgres
from orderbus.storage.database import Database, open_database
from tests.conftest import settings_from
from tests.support.dependencies import open_folder
from tests.support.scenario import value

#: The version that a run was asked to take; unset, whatever is installed is fine.
ASKED_FOR = os.environ.get("ORDERBUS_TESTS_POSTGRESQL")


async def test_the_floor_runs_on_the_postgresql_that_was_asked_for(database: Database) -> None:
    version = await value(database, "SELECT current_setting('server_version_num')::integer / 10000")

    assert version == int(ASKED_FOR or version)
    assert version >= 15


@pytest.mark.skipif(ASKED_FOR != "17", reason="the installed one finds its files at fixed places")
async def test_a_postgresql_that_only_its_owner_may_read_is_copied_to_where_its_user_can() -> None:
    installed = postgres.binaries()
    assert installed is not None
    with open_folder() as folder:
        closed = folder / "closed"
        closed.mkdir(mode=0o700)
        shutil.copytree(installed.parent, closed / "prefix", symlinks=True)
        part = NativePostgres(folder / "data", closed / "prefix" / "bin", safe=False)
        try:
            await part.start(lambda _name, _line: None)
            async with open_database(settings_from(part.env)) as database:
                assert await value(database, "SELECT 1") == 1
        finally:
            await part.stop()

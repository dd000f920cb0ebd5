"""Whoever is told to end ends, also while PostgreSQL stands still."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager

import pytest

from orderbus.errors import Unavailable
from orderbus.storage import database as database_module
from orderbus.storage.database import Connection, Database, open_database
from tests.conftest import settings_from
from tests.support.tcp_proxy import TcpProxy

Lend = Callable[[Database], AbstractAsyncContextManager[Connection]]


@pytest.fixture
def proxy(env: dict[str, str]) -> Iterator[TcpProxy]:
    """A proxy before PostgreSQL."""
    proxy = TcpProxy(env["DB_HOST"], int(env["DB_PORT"]))
    proxy.open()
    yield proxy
    proxy.close()


@pytest.mark.parametrize("lend", [Database.connection, Database.transaction])
async def test_a_watch_that_is_cancelled_while_postgresql_stands_still_ends(
    env: dict[str, str], proxy: TcpProxy, monkeypatch: pytest.MonkeyPatch, lend: Lend
) -> None:
    for limit in ("ACQUIRE_TIMEOUT", "COMMAND_TIMEOUT"):
        monkeypatch.setattr(database_module, limit, 1.0)
    asked, told = asyncio.Event(), asyncio.Event()

    async def watch(database: Database) -> None:
        while not told.is_set():  # so that the test ends, whatever becomes of it
            try:
                async with lend(database) as connection:
                    await connection.execute("SELECT 1")
                    proxy.freeze()
                    asked.set()
                    await connection.execute("SELECT 1")
            except Unavailable:
                told.set()

    changed = {**env, "DB_HOST": "127.0.0.1", "DB_PORT": str(proxy.port)}
    async with open_database(settings_from(changed)) as database:
        watching = asyncio.create_task(watch(database))
        await asked.wait()
        watching.cancel()
        await asyncio.wait({watching})

    assert watching.cancelled(), "it was told of PostgreSQL, and would have gone on"

"""Whoever is told to end ends, also while PostgreSQL stands still."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from orderbus.errors import Unavailable
from orderbus.storage import database as database_module
from orderbus.storage.database import Connection, Database, open_database
from tests.conftest import settings_from

Lend = Callable[[Database], AbstractAsyncContextManager[Connection]]


@asynccontextmanager
async def relay(host: str, port: int, flows: asyncio.Event) -> AsyncIterator[int]:
    """Carry everything to and fro while it flows, and nothing while it does not."""
    carrying: list[asyncio.Task[None]] = []

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(65_536):
                await flows.wait()
                writer.write(chunk)
        finally:
            writer.transport.abort()

    async def let_in(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(host, port)
        carrying.extend(
            asyncio.create_task(carry(*way)) for way in ((reader, back), (there, writer))
        )

    server = await asyncio.start_server(let_in, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for task in carrying:
        task.cancel()
    await asyncio.gather(*carrying, return_exceptions=True)


@pytest.mark.parametrize("lend", [Database.connection, Database.transaction])
async def test_a_watch_that_is_cancelled_while_postgresql_stands_still_ends(
    env: dict[str, str], monkeypatch: pytest.MonkeyPatch, lend: Lend
) -> None:
    for limit in ("ACQUIRE_TIMEOUT", "COMMAND_TIMEOUT"):
        monkeypatch.setattr(database_module, limit, 1.0)
    flows, asked, told = asyncio.Event(), asyncio.Event(), asyncio.Event()
    flows.set()

    async def watch(database: Database) -> None:
        while not told.is_set():  # so that the test ends, whatever becomes of it
            try:
                async with lend(database) as connection:
                    await connection.execute("SELECT 1")
                    flows.clear()
                    asked.set()
                    await connection.execute("SELECT 1")
            except Unavailable:
                told.set()

    async with relay(env["DB_HOST"], int(env["DB_PORT"]), flows) as port:
        changed = {**env, "DB_HOST": "127.0.0.1", "DB_PORT": str(port)}
        async with open_database(settings_from(changed)) as database:
            watching = asyncio.create_task(watch(database))
            await asked.wait()
            watching.cancel()
            await asyncio.wait({watching})

    assert watching.cancelled(), "it was told of PostgreSQL, and would have gone on"

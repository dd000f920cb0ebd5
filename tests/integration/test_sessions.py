"""No session, whoever's process stands still or is gone, keeps a lock for long."""

from __future__ import annotations

import asyncio
import socket
from datetime import timedelta
from typing import Any

import asyncpg
import psycopg
import pytest
from psycopg.rows import scalar_row

from orderbus.errors import Busy
from orderbus.settings import Settings
from orderbus.storage import migrations
from orderbus.storage.database import SESSION, Database
from tests.support import scenario, table_rows
from tests.support.forced import socket_of

ASKED = (
    "idle_in_transaction_session_timeout",
    "lock_timeout",
    "client_connection_check_interval",
    "tcp_user_timeout",
    "tcp_keepalives_idle",
    "tcp_keepalives_interval",
    "tcp_keepalives_count",
)
SAID = ["10s", "3s", "2s", "10000", "10", "5", "3"]
SETTINGS = f"SELECT ARRAY[{', '.join(f'current_setting({name!r})' for name in ASKED)}]"


async def test_every_session_of_the_pool_has_its_limits(database: Database) -> None:
    assert await scenario.value(database, SETTINGS) == SAID


async def test_no_session_of_the_pool_reads_end_to_end_what_has_an_index_or_compiles_statements(
    database: Database,
) -> None:
    query = "SELECT ARRAY[current_setting('enable_seqscan'), current_setting('jit')]"

    assert await scenario.value(database, query) == ["off", "off"]


async def test_the_session_that_listens_has_its_limits(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    connect = asyncpg.connect

    async def seen(*arguments: Any, **options: Any) -> Any:
        made.append(await connect(*arguments, **options))
        return made[-1]

    monkeypatch.setattr(asyncpg, "connect", seen)
    async with database.listening("anything"):
        (connection,) = made
        assert await connection.fetchval(SETTINGS) == SAID
        assert client_side(connection) == CLIENT_SIDE


async def test_the_sessions_that_migrate_have_their_limits(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[Any] = []
    connect = psycopg.connect

    def asked(*arguments: Any, **options: Any) -> psycopg.Connection:
        connection = connect(*arguments, **options)
        said.append(connection.cursor(row_factory=scalar_row).execute(SETTINGS).fetchone())
        connection.rollback()
        return connection

    monkeypatch.setattr(psycopg, "connect", asked)

    def migrate() -> None:
        with migrations.locked(settings, wait=timedelta(0), waiting=print):
            migrations.migrate(settings)

    await asyncio.to_thread(migrate)

    assert said == [SAID, SAID]


CLIENT_SIDE = {"SO_KEEPALIVE": 1, "TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3} | {
    "TCP_USER_TIMEOUT": 10_000
}


def client_side(connection: Any) -> dict[str, int]:
    """Read the options of a connection's socket."""
    sock = socket_of(connection)
    levels = {"SO_KEEPALIVE": socket.SOL_SOCKET}
    return {
        name: sock.getsockopt(levels.get(name, socket.IPPROTO_TCP), getattr(socket, name))
        for name in CLIENT_SIDE
    }


async def test_our_end_of_a_connection_notices_that_the_server_is_gone(database: Database) -> None:
    async with database.connection() as connection:
        assert client_side(connection) == CLIENT_SIDE


async def test_a_migration_gives_up_a_table_that_is_in_use(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SESSION, "lock_timeout", "50ms")
    async with database.transaction() as connection:
        await table_rows.lock_as_a_reader(connection, "orders.orders")
        with pytest.raises(Busy, match="try again"):
            await asyncio.to_thread(migrations.rollback, settings, newest=100, agreed=[])

"""A PostgreSQL that replays what the primary wrote: how far it is, and what is read of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from orderbus.errors import Behind
from orderbus.settings import Settings
from orderbus.storage import rows
from orderbus.storage.database import Connection, Database, Pool, open_pool

#: Seconds that a replica may take to connect, or to lend a connection: the primary is there, too.
PATIENCE: Final = 1.0


_REPLAYED: Final = """
    CASE WHEN pg_is_in_recovery() THEN (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint END
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """Which cluster a server is of, and how far: the primary with its disk, a replica in replaying.

    ``at`` is None where the server is not what it is asked as.
    """

    system: int
    at: int | None


async def position(connection: Connection) -> int:
    """Say up to where the primary wrote: what is committed now is not behind it.

    Nor is it behind the disk, where commits wait for that: a replica gets nothing earlier, and on
    a primary where nothing happens what is beside a commit may stay in memory for long.
    """
    asked: int = await connection.fetchval(
        """
        SELECT (CASE current_setting('synchronous_commit')
                WHEN 'off' THEN pg_current_wal_insert_lsn()
                ELSE pg_current_wal_flush_lsn() END - '0/0'::pg_lsn)::bigint
        """
    )
    return asked


async def written(connection: Connection) -> Standing:
    """Say how far the primary is with what it sends to its replicas."""
    record = await connection.fetchrow(
        """
        SELECT system_identifier AS system,
               CASE WHEN NOT pg_is_in_recovery()
                    THEN (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint END AS at
          FROM pg_control_system()
        """
    )
    return rows.one(Standing, record)


async def replayed(connection: Connection) -> Standing:
    """Say how far a replica is."""
    record = await connection.fetchrow(
        f"SELECT system_identifier AS system, {_REPLAYED} AS at FROM pg_control_system()"  # noqa: S608 - a constant of ours
    )
    return rows.one(Standing, record)


async def admit(connection: Connection, role: str, password: str) -> None:
    """Let a role replicate with this password, through a slot of its name that is to be made."""
    given = await connection.fetchval(
        """
        SELECT format('%s ROLE %I LOGIN REPLICATION PASSWORD %L',
                      CASE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = $1)
                           THEN 'ALTER' ELSE 'CREATE' END, $1::text, $2::text)
        """,
        role,
        password,
    )
    await connection.execute(given)
    await forget(connection, role)


async def forget(connection: Connection, role: str) -> None:
    """Keep nothing any more for a replica that came through the slot of that name and ended."""
    await connection.fetch(
        """
        SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
         WHERE slot_name = $1
        """,
        role,
    )


async def is_streaming(connection: Connection, role: str) -> bool:
    """Say whether a replica that came as this role gets what is written as it is written."""
    streams: bool = await connection.fetchval(
        """
        SELECT EXISTS (SELECT FROM pg_stat_replication
                        WHERE usename = $1 AND application_name <> 'pg_basebackup'
                          AND state = 'streaming')
        """,
        role,
    )
    return streams


class Replica(Database):
    """The pool of a replica. What is asked of it can be broken off at once."""

    def __init__(self, pool: Pool, settings: Settings) -> None:
        """Use ``open_replica``."""
        super().__init__(pool, settings)
        self._patience = PATIENCE
        self._lent: set[Connection] = set()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection; raises ``Unavailable`` as soon as it is dropped."""
        async with super().connection() as connection:
            self._lent.add(connection)
            try:
                yield connection
            finally:
                self._lent.discard(connection)

    def cut(self) -> None:
        """Break the connections that are lent: what is under way on them raises at once.

        A server that stands still answers nobody, not even who asks to be let go.
        """
        for connection in list(self._lent):
            connection.terminate()

    async def drop(self) -> None:
        """Break every connection, so that whoever comes next connects anew."""
        self.cut()
        await self._pool.expire_connections()

    def at_least(self, position: int) -> Database:
        """Read of it what it has replayed up to there; raises ``Behind`` where it has not."""
        return _AtLeast(self, position)


class _AtLeast(Database):
    def __init__(self, replica: Replica, position: int) -> None:
        super().__init__(replica._pool, replica._settings)  # noqa: SLF001 - it is one of them
        self._replica = replica
        self._position = position

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection of the replica that has come far enough."""
        async with self._replica.connection() as connection:
            at = await connection.fetchval(f"SELECT {_REPLAYED}")
            if at is None or at < self._position:
                raise Behind("The replica has not come that far", dependency="replica")
            yield connection


@dataclass(frozen=True, slots=True)
class Replicated:
    """A replica to read from, and both servers to ask how far they are.

    These have connections of their own, so that whoever waits for one of the others does not keep
    anybody from knowing.
    """

    readers: Replica
    replica: Replica
    primary: Replica


@asynccontextmanager
async def open_replica(settings: Settings) -> AsyncIterator[Replicated | None]:
    """Open the pools of the replica that the settings name, without connecting; None for none."""
    if (url := settings.replica_url) is None:
        yield None
        return
    async with (
        _open(settings, url, name="orderbus", size=settings.db_pool_size) as readers,
        _open(settings, url) as replica,
        _open(settings, settings.database_url) as primary,
    ):
        yield Replicated(readers, replica, primary)


@asynccontextmanager
async def _open(
    settings: Settings, url: str, *, name: str = "orderbus-positions", size: int = 2
) -> AsyncIterator[Replica]:
    async with open_pool(url, name=name, size=size, patience=PATIENCE) as pool:
        yield Replica(pool, settings)

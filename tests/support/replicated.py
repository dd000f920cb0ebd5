"""A PostgreSQL with a streaming replica, both of which tests may hurt."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg

from orderbus.devtools import postgres
from orderbus.devtools.postgres import NativePostgres
from orderbus.devtools.replica import NativeReplica
from orderbus.errors import Misconfigured
from orderbus.settings import Settings
from orderbus.storage import migrations
from tests.conftest import settings_from
from tests.support.dependencies import Background, open_folder
from tests.support.waiting import PATIENCE, until


class Pair:
    """Both servers, with our schema in them."""

    def __init__(self, primary: NativePostgres, replica: NativeReplica, run: Background) -> None:
        self.primary = primary
        self.replica = replica
        self._background = run

    def settings(self, **changes: Any) -> Settings:
        """Name both."""
        return settings_from({**self.primary.env, **self.replica.env}, **changes)

    def ask_replica(self, *statements: str) -> Any:
        """Ask the replica itself; returns the first value of the last answer."""
        url = self.settings().replica_url
        with psycopg.connect(str(url), autocommit=True) as connection:
            answers = [connection.execute(statement.encode()) for statement in statements]
            row = answers[-1].fetchone()
            return row and row[0]

    def delay(self, by: str) -> None:
        """Let the replica replay each commit so much later."""
        self.ask_replica(
            f"ALTER SYSTEM SET recovery_min_apply_delay = '{by}'", "SELECT pg_reload_conf()"
        )

    def pids(self) -> list[int]:
        """List the processes of the replica, the one that the others end with first."""
        first = int((self.replica.folder.resolve() / "postmaster.pid").read_text().split()[0])
        with psycopg.connect(self.settings().replica_url or "", autocommit=True) as connection:
            rows = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE pid <> %s", [connection.info.backend_pid]
            )
            return [first, *(pid for (pid,) in rows)]

    def send(self, pids: list[int], number: signal.Signals) -> None:
        for pid in pids:
            os.kill(pid, number)

    def start_again(self) -> None:
        """Have a new replica after the old one ended or left the primary."""
        self._background.run(self.replica.stop())
        self._background.run(self.replica.start(lambda *_: None))

    def until_caught_up(self) -> None:
        """Wait until the replica has all that there is now."""
        with psycopg.connect(self.settings().database_url, autocommit=True) as connection:
            row = connection.execute("SELECT pg_current_wal_flush_lsn()::text").fetchone()
        assert row is not None
        reached = f"SELECT pg_last_wal_replay_lsn() >= '{row[0]}'"
        until(lambda: self.ask_replica(reached), "the replica has caught up")


@contextmanager
def running_pair() -> Iterator[Pair]:
    """Start both; raises ``Misconfigured`` where no PostgreSQL is installed."""
    binaries = postgres.binaries() or postgres.wheel()
    if binaries is None:
        raise Misconfigured("no PostgreSQL is installed")
    background = Background()
    with open_folder() as folder:
        embedded = binaries == postgres.wheel()
        primary = NativePostgres(folder / "postgres", binaries, safe=False, embedded=embedded)
        replica = NativeReplica(primary)
        pair = Pair(primary, replica, background)
        try:
            background.run(primary.start(lambda *_: None))
            settings = settings_from(primary.env)
            with migrations.locked(settings, wait=timedelta(seconds=PATIENCE), waiting=print):
                migrations.migrate(settings)
            background.run(replica.start(lambda *_: None))
            yield pair
        finally:
            background.run(replica.stop())
            background.run(primary.stop())
            background.close()

"""A streaming replica of a private PostgreSQL, cloned anew each time it starts."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from orderbus import settings as settings_module
from orderbus import storage
from orderbus.devtools.dependency import Dependency
from orderbus.devtools.postgres import NativePostgres
from orderbus.devtools.processes import Sink, run, until
from orderbus.errors import Misconfigured, OrderbusError, Unavailable
from orderbus.storage.database import open_database

#: What the role and its slot are called.
NAME: Final = "orderbus_replica"


class NativeReplica(NativePostgres):
    """Replays what a private PostgreSQL writes; what it had before is thrown away."""

    def __init__(self, primary: NativePostgres) -> None:
        """Begin once ``primary`` answers."""
        folder = primary.folder.with_name("replica")
        super().__init__(
            folder, primary.binaries, safe=primary.is_safe, embedded=primary.is_embedded
        )
        self.name = "replica"
        self.is_spare = True
        self._primary = primary
        self.env = {"DB_REPLICA_HOST": "127.0.0.1", "DB_REPLICA_PORT": str(self._port)}
        self.urls = {"replica": f"127.0.0.1:{self._port}"}

    async def start(self, sink: Sink) -> None:
        """Clone the primary, start the server, wait until it streams."""
        await self._primary.answers.wait()
        data, binaries = self._reachable(self.folder), self._runnable()
        for left in data.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        primary, password = self._primary.env, secrets.token_urlsafe(24)
        settings = settings_module.load(_env_file=None, debug=True, **primary)
        async with open_database(settings) as database:
            await database.ask(storage.replica.admit, NAME, password)
            clone = [
                *(str(binaries / "pg_basebackup"), f"--pgdata={data}", "--write-recovery-conf"),
                *(f"--host={primary['DB_HOST']}", f"--port={primary['DB_PORT']}"),
                *(f"--username={NAME}", "--no-password", f"--slot={NAME}", "--create-slot"),
                *("--checkpoint=fast", "--wal-method=stream"),
                *([] if self.is_safe else ["--no-sync"]),
            ]
            env = {"PGPASSWORD": password}
            await run("pg_basebackup", clone, sink=sink, cwd=data, user=self.user, env=env)
            process = await self.serve(data, binaries, sink, name="replica")

            async def streams() -> None:
                if not await database.ask(storage.replica.is_streaming, NAME):
                    raise Unavailable("The replica does not stream yet")

            await until(streams, process, seconds=30, what="The replica")

    async def stop(self) -> None:
        """Stop the server; the primary keeps nothing for it, since the next one is a new clone."""
        await super().stop()
        if not self._primary.answers.is_set():
            return
        settings = settings_module.load(_env_file=None, debug=True, **self._primary.env)
        with suppress(OrderbusError):
            async with open_database(settings) as database:
                await database.ask(storage.replica.forget, NAME)


def replica_of(dependencies: Sequence[Dependency]) -> NativeReplica:
    """Have a replica beside the PostgreSQL of a stack; ``Misconfigured`` where it cannot be had."""
    [primary] = [each for each in dependencies if each.name == "PostgreSQL"]
    if not isinstance(primary, NativePostgres):
        raise Misconfigured(
            f"--replica starts one of a PostgreSQL that is installed here or embedded, and this is "
            f"{primary.how}. Name a replica of that with DB_REPLICA_HOST and DB_REPLICA_PORT; "
            "beside containers: docker compose --profile replica up"
        )
    if not (primary.binaries / "pg_basebackup").exists():
        raise Misconfigured(
            f"--replica needs pg_basebackup, which is not in {primary.binaries}: install "
            "PostgreSQL's client programs of the same version"
        )
    return NativeReplica(primary)

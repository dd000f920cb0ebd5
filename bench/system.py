"""All of `orderbus up`, from a new database, with a receiver that costs next to nothing."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench import cpu, load, parts
from orderbus.devtools import postgres
from orderbus.devtools.processes import Process, free_port, speaks, until
from orderbus.devtools.stack import Stack, running_stack
from orderbus.storage.database import Database


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits: pointers of the outbox, deliveries and consumptions that are pending."""

    outbox: int
    deliveries: int
    consumptions: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.outbox + self.deliveries + self.consumptions


@dataclass
class System:
    """A running orderbus, and what a measurement asks of it."""

    stack: Stack
    database: Database
    receiver: str
    postgres: int
    own: dict[str, Process] = field(default_factory=dict)

    @property
    def port(self) -> int:
        """Where orders go."""
        return int(self.stack.urls["api"].rpartition(":")[2])

    def pids(self) -> Mapping[str, int]:
        """Name the processes, each as the root of its family."""
        named = {name: cpu.pid_of(process) for name, process in self.stack.processes.items()}
        for dependency in self.stack.dependencies:
            if dependency.name == "RabbitMQ":
                named["RabbitMQ"] = cpu.pid_of(dependency.processes[-1])
            elif dependency.name == "Pub/Sub":
                named["Pub/Sub emulator"] = cpu.pid_of(dependency.processes[-1])
        named |= {name: cpu.pid_of(process) for name, process in self.own.items()}
        return {**named, "PostgreSQL": self.postgres}

    async def backlog(self) -> Backlog:
        """Count what waits."""
        async with self.database.connection() as connection:
            row = await connection.fetchrow(
                """
                SELECT (SELECT count(*) FROM ops.outbox),
                       (SELECT count(*) FROM ops.webhook_deliveries WHERE state = 'pending'),
                       (SELECT count(*) FROM ops.consumptions WHERE state = 'pending')
                """
            )
        assert row is not None  # noqa: S101 - it counts
        return Backlog(*row)

    async def drained(self, *, within: float) -> Backlog:
        """Wait until nothing waits, or the time is up; returns what waits then."""
        ends = time.perf_counter() + within
        while True:
            left = await self.backlog()
            if not left.total or time.perf_counter() > ends:
                return left
            await asyncio.sleep(0.2)

    async def all_drained(self, *, within: float) -> float:
        """Wait until nothing waits; returns the seconds that took. Raises ``TimeoutError``."""
        began = time.perf_counter()
        if left := (await self.drained(within=within)).total:
            raise TimeoutError(f"{left:,} rows still waited after {within:.0f} s")
        return time.perf_counter() - began

    async def stop(self, *names: str) -> None:
        """Stop some of the processes."""
        await asyncio.gather(*(self.stack.processes.pop(name).stop() for name in names))

    async def start_workers_and_bridge(self) -> None:
        """Start them anew, and wait until they are ready."""
        env = self.stack.env
        doors = {
            "workers": (["workers", "--processes", "1"], env["ORDERBUS_WORKER_METRICS_PORT"]),
            "bridge": (["bridge"], env["ORDERBUS_BRIDGE_METRICS_PORT"]),
        }
        await asyncio.gather(
            *(
                self.stack.start(
                    name, ["-m", "orderbus", *command], f"http://127.0.0.1:{door}/readyz"
                )
                for name, (command, door) in doors.items()
            )
        )


@asynccontextmanager
async def system(
    folder: Path, *, events: str = "order.created", statements: bool = False, **changes: str
) -> AsyncIterator[System]:
    """Start everything, with one endpoint that wants ``events``.

    ``statements`` has PostgreSQL count them (pg_stat_statements); ``changes`` are settings.
    """
    folder.mkdir(mode=0o755)
    if statements:
        await _count_statements(folder)
    port = free_port()
    command = [sys.executable, "-m", "bench.receiver", str(port)]
    receiver = await Process.start("receiver", command, sink=parts.silent, cwd=parts.ROOT)
    try:
        await until(lambda: speaks(port), receiver, seconds=30, what="The receiver")
        async with (
            running_stack(
                folder,
                sink=parts.silent,
                say=lambda _: None,
                webhook=f"http://127.0.0.1:{port}/fast",
                changes={"ORDERBUS_WEBHOOK_OUTGOING_EVENTS": events, **changes},
            ) as stack,
            parts.opened(stack.env) as database,
        ):
            server = cpu.server_on(int(stack.env["DB_PORT"]))
            yield System(
                stack, database, f"http://127.0.0.1:{port}", server, {"receiver": receiver}
            )
    finally:
        await receiver.stop()


async def _count_statements(folder: Path) -> None:
    """Make the database that the stack will find, and have it load pg_stat_statements."""
    binaries = postgres.binaries()
    assert binaries is not None  # noqa: S101 - the measurements need an installed server
    server = postgres.NativePostgres(folder / "postgres", binaries)
    await server.start(parts.silent)
    try:
        env = {**server.env, "SECRET_KEY": parts.SECRET_KEY}
        async with parts.opened(env) as database, database.connection() as connection:
            await connection.execute(
                "ALTER SYSTEM SET shared_preload_libraries = pg_stat_statements"
            )
    finally:
        await server.stop()


async def accepted(system: System, rate: float, seconds: float) -> load.Sent:
    """Send orders at a rate, all of which have to be accepted."""
    sent = await load.at_rate(system.port, rate, seconds)
    if sent.refused:
        raise RuntimeError(
            f"{sent.refused} of {len(sent.waits) + sent.refused} orders were refused"
        )
    return sent

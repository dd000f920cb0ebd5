"""How many orders does web accept, beside peers that do the same work, and beside pgbench?"""

from __future__ import annotations

import statistics
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench import cpu, load, parts, peer, pgbench, statement
from bench.report import Goal, Result, Run, Table
from orderbus.devtools.processes import Process, ask, free_port, until

ROUNDS = 3
OURS, OURS_TWICE = "orderbus", "orderbus, 2 processes"
#: What pgbench runs: our own statement, and the peers'.
OUR_STATEMENT, THEIR_STATEMENT = "pgbench, orderbus's statement", "pgbench, the peers' statement"


@dataclass
class Figures:
    """What one contestant did, round by round; CPU in microseconds an order."""

    rates: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    web: list[float] = field(default_factory=list)
    postgres: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Orders a second."""
        return statistics.median(self.rates)

    @property
    def cost(self) -> float:
        """CPU in web, microseconds an order."""
        return statistics.median(self.web)

    def quantile(self, of_hundred: int) -> float:
        """Milliseconds in which so many of a hundred were answered."""
        return statistics.quantiles(self.waits, n=100)[of_hundred - 1]

    def row(self, name: str, best: float) -> list[str]:
        """Write it as a row; pgbench has no web and no waits."""
        cells = [name, f"{self.rate:,.0f}", f"{best / self.rate:.2f}"]
        if not self.web:
            return [*cells, "", f"{statistics.median(self.postgres):.0f}", "", ""]
        return [
            *cells,
            f"{self.cost:.0f}",
            f"{statistics.median(self.postgres):.0f}",
            f"{self.quantile(50):.1f}",
            f"{self.quantile(99):.1f}",
        ]


async def measure(folder: Path, run: Run) -> list[Result]:
    """Give each contestant its turn, three times; compare the medians."""
    seconds = int(run.pick(2, 4))
    async with parts.parts(folder, ["PostgreSQL", "Pub/Sub"]) as env:
        scripts = await _prepare(folder, env)
        server = cpu.server_on(int(env["DB_PORT"]))
        found: dict[str, Figures] = defaultdict(Figures)
        async with AsyncExitStack() as stack:
            doors = {}
            for name in (OURS, OURS_TWICE, *peer.PEERS):
                doors[name] = await stack.enter_async_context(_started(name, env, folder))
                await load.as_fast_as_they_go(doors[name][0], 1)
            for _ in range(ROUNDS):
                for name, script in scripts.items():
                    began = cpu.seconds(server)
                    rate = await pgbench.rate(env, script, seconds, clients=load.CONNECTIONS)
                    found[name].rates.append(rate)
                    spent = cpu.seconds(server) - began
                    found[name].postgres.append(spent / (rate * seconds) * 1e6)
                for name, (port, process) in doors.items():
                    await _round(found[name], port, process, server, seconds)
    return _results(found, run)


async def _prepare(folder: Path, env: dict[str, str]) -> dict[str, Path]:
    """Make the peers' tables, and what pgbench runs.

    Nothing is vacuumed meanwhile: it would be counted, and wait, for whoever has the turn then.
    """
    async with parts.opened(env) as database, database.connection() as connection:
        await connection.execute("ALTER SYSTEM SET autovacuum = off")
        await connection.execute("SELECT pg_reload_conf()")
        await connection.execute((peer.FOLDER / "schema.sql").read_text())
    written = {OUR_STATEMENT: await statement.script(), THEIR_STATEMENT: statement.of_peers()}
    scripts = {}
    for number, (name, text) in enumerate(written.items()):
        scripts[name] = folder / f"{number}.sql"
        scripts[name].write_text(text)
    return scripts


@asynccontextmanager
async def _started(
    name: str, env: dict[str, str], folder: Path
) -> AsyncIterator[tuple[int, Process]]:
    if name in peer.PEERS:
        async with peer.running(name, env) as started:
            yield started
        return
    port, workers = free_port(), "2" if name == OURS_TWICE else "1"
    command = [sys.executable, "-m", "orderbus", "web", "--port", str(port), "--workers", workers]
    web = await Process.start("web", command, sink=parts.silent, env=env, cwd=folder)
    try:
        ready = f"http://127.0.0.1:{port}/readyz"
        await until(lambda: ask("GET", ready), web, seconds=30, what="The web process")
        yield port, web
    finally:
        await web.stop()


async def _round(
    figures: Figures, port: int, process: Process, server: int, seconds: float
) -> None:
    web, postgres = cpu.seconds(cpu.pid_of(process)), cpu.seconds(server)
    sent = await load.as_fast_as_they_go(port, seconds)
    if sent.refused:
        raise RuntimeError(f"{process.name} refused {sent.refused} orders")
    orders = len(sent.waits)
    figures.rates.append(sent.rate)
    figures.waits += sent.waits
    figures.web.append((cpu.seconds(cpu.pid_of(process)) - web) / orders * 1e6)
    figures.postgres.append((cpu.seconds(server) - postgres) / orders * 1e6)


def _results(found: Mapping[str, Figures], run: Run) -> list[Result]:
    ours, twice = found[OURS], found[OURS_TWICE]
    wanted = {
        "FastAPI + SQLAlchemy": 7,
        "Django + DRF": 8,
        "FastAPI + asyncpg": 1.2,
        "aiohttp sketch": 0.8,
    }
    goals = [
        Goal(
            f"accept / {name}",
            ours.rate / found[name].rate,
            goal,
            at_least=True,
            detail=f"{ours.rate:,.0f} orders/s beside {found[name].rate:,.0f}/s",
        )
        for name, goal in wanted.items()
    ]
    limit = found[OUR_STATEMENT].rate
    p99 = ours.quantile(99)
    cost = f"{twice.cost:.0f} µs beside {ours.cost:.0f} µs"
    rate = f"{twice.rate:,.0f} orders/s beside {ours.rate:,.0f}/s"
    beside = f"{ours.rate:,.0f} orders/s beside {limit:,.0f}/s of the same statement"
    at = f"at {load.CONNECTIONS} connections"
    table = Table(
        "accept",
        ["contestant", "orders/s", "orderbus beside it", *_COLUMNS],
        [figures.row(name, ours.rate) for name, figures in found.items()],
    )
    return [
        *goals,
        Goal("accept / pgbench", ours.rate / limit, 0.3, at_least=True, detail=beside),
        Goal("accept p99 (ms)", p99, 20 / run.scale, at_least=False, detail=at),
        Goal("web CPU an order, 2 processes / 1", twice.cost / ours.cost, 1.1, False, cost),  # noqa: FBT003
        Goal("accept rate, 2 processes / 1", twice.rate / ours.rate, 1.0, True, rate),  # noqa: FBT003
        table,
    ]


_COLUMNS = ("web, CPU µs an order", "PostgreSQL, CPU µs an order", "p50, ms", "p99, ms")

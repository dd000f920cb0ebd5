"""Where does each microsecond of an order go, hop by hop?"""

from __future__ import annotations

import asyncio
import base64
import json
import urllib.request
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import capacity, cpu, statement_names
from bench.report import Raw, Result, Run, Table
from bench.system import System, accepted, system

PER_SECOND = 200
#: Whose work PostgreSQL does: the processes that hold connections to it.
_CLIENTS = ("web", "workers", "bridge")
_STATEMENTS = 20
_BEHIND = 6


@dataclass
class Backends:
    """The CPU of PostgreSQL's processes, by whose connection each serves."""

    server: int
    owners: Mapping[str, int]
    seen: dict[int, tuple[str, float, float]] = field(default_factory=dict)

    async def look(self, running: System) -> None:
        """Note what each process has taken by now; the connections of a pool come and go."""
        ports = {
            port: name
            for name, root in self.owners.items()
            for pid in cpu.family(root)
            for port in cpu.ports(pid)
        }
        async with running.database.connection() as connection:
            rows = await connection.fetch(
                "SELECT pid, client_port FROM pg_stat_activity WHERE client_port IS NOT NULL"
            )
        for row in rows:
            owner = ports.get(row["client_port"], "measuring")
            taken = cpu.seconds(row["pid"])
            _, first, _ = self.seen.get(row["pid"], (owner, taken, taken))
            self.seen[row["pid"]] = (owner, first, taken)

    def spent(self) -> dict[str, float]:
        """Add up seconds by owner."""
        found: dict[str, float] = defaultdict(float)
        for owner, first, last in self.seen.values():
            found[owner] += last - first
        return found


async def measure(folder: Path, run: Run) -> list[Result]:
    """Send orders at a steady rate through all parts, and divide what was spent by them."""
    rate, seconds = PER_SECOND * run.scale, run.pick(8, 30, 120)
    async with system(folder, statements=True) as running:
        async with running.database.connection() as connection:
            await connection.execute("CREATE EXTENSION pg_stat_statements")
        await accepted(running, rate, 5)
        await running.all_drained(within=120)
        idle = await _idle(running, run.pick(3, 10))
        async with running.database.connection() as connection:
            await connection.execute("SELECT pg_stat_statements_reset()")
        before = await _counted(running)
        started = {name: cpu.seconds(pid) for name, pid in running.pids().items()}
        backends = Backends(running.postgres, {name: running.pids()[name] for name in _CLIENTS})
        sending = asyncio.create_task(accepted(running, rate, seconds))
        while not sending.done():
            await backends.look(running)
            await asyncio.wait([sending], timeout=1)
        await running.all_drained(within=300)
        await backends.look(running)
        orders = len((await sending).waits)
        spent = {name: cpu.seconds(pid) - started[name] for name, pid in running.pids().items()}
        after = await _counted(running)
        statements = await _statements(running, orders)
    costs = {name: taken / orders * 1e6 for name, taken in _divided(spent, backends).items()}
    counted = {name: (after[name] - before[name]) / orders for name in after}
    raw = {"orders": orders, "rate": rate, "cpu": costs, "counted": counted, "idle": idle}
    return [_hops(costs, idle), _counts(counted), statements, Raw("hops", raw), *capacity.of(raw)]


async def _idle(running: System, seconds: float) -> dict[str, float]:
    """Tell what share of a core each takes while nothing comes."""
    before = {name: cpu.seconds(pid) for name, pid in running.pids().items()}
    await asyncio.sleep(seconds)
    return {
        name: (cpu.seconds(pid) - before[name]) / seconds for name, pid in running.pids().items()
    }


def _divided(spent: Mapping[str, float], backends: Backends) -> dict[str, float]:
    """Name PostgreSQL's share for each of its clients; the rest is its own, in the background."""
    served = backends.spent()
    own = spent["PostgreSQL"] - sum(served.values())
    shares = {f"PostgreSQL for {name}": served[name] for name in _CLIENTS}
    others = {name: taken for name, taken in spent.items() if name != "PostgreSQL"}
    return {**others, **shares, "PostgreSQL's own": own}


async def _counted(running: System) -> dict[str, float]:
    """Read what PostgreSQL and RabbitMQ count, whose page is five seconds behind."""
    await asyncio.sleep(_BEHIND)
    async with running.database.connection() as connection:
        await connection.execute("SELECT pg_stat_force_next_flush()")
        row = await connection.fetchrow(
            """
            SELECT (SELECT sum(calls)::float FROM pg_stat_statements) AS statements,
                   (SELECT xact_commit::float FROM pg_stat_database
                     WHERE datname = current_database()) AS commits,
                   (SELECT wal_bytes::float FROM pg_stat_wal) AS "WAL bytes",
                   sum(n_tup_ins)::float AS "rows inserted",
                   sum(n_tup_upd)::float AS "rows updated",
                   sum(n_tup_hot_upd)::float AS "of these HOT",
                   sum(n_tup_del)::float AS "rows deleted",
                   (SELECT count(*)::float FROM ops.events) AS "events (Pub/Sub messages)"
              FROM pg_stat_user_tables
            """
        )
    assert row is not None  # noqa: S101 - it counts
    messages = await asyncio.to_thread(_rabbitmq_messages, running)
    return {**dict(row), "RabbitMQ messages": messages}


def _rabbitmq_messages(running: System) -> float:
    """Ask the management page how many messages were published."""
    env = running.stack.env
    login = base64.b64encode(f"{env['RABBIT_USER']}:{env['RABBIT_PASS']}".encode()).decode()
    url = f"{running.stack.urls['rabbitmq_management']}api/overview"
    request = urllib.request.Request(url, headers={"Authorization": f"Basic {login}"})  # noqa: S310 - our own server
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
        overview: dict[str, Any] = json.load(answer)
    return float(overview["message_stats"].get("publish", 0))


async def _statements(running: System, orders: int) -> Table:
    """List the statements that take most, by the function that sends them."""
    async with running.database.connection() as connection:
        rows = await connection.fetch(
            "SELECT query, calls, total_exec_time * 1000 AS micros, rows, wal_bytes"
            "  FROM pg_stat_statements WHERE query !~ 'pg_stat|^SELECT .SELECT count'"
        )
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0] * 4)
    for query, *figures in rows:
        name = statement_names.of(query)
        sums[name] = [
            known + float(more) / orders for known, more in zip(sums[name], figures, strict=True)
        ]
    most = sorted(sums.items(), key=lambda each: -each[1][1])[:_STATEMENTS]
    return Table(
        "statements",
        ["sent by", "calls an order", "µs an order, waits included", "rows", "WAL bytes"],
        [
            [name, f"{calls:.3f}", f"{micros:.0f}", f"{count:.2f}", f"{wal:,.0f}"]
            for name, (calls, micros, count, wal) in most
        ],
    )


def _hops(costs: Mapping[str, float], idle: Mapping[str, float]) -> Table:
    whole = sum(costs.values())
    rows = [
        [name, f"{cost:,.0f}", f"{cost / whole:.0%}", f"{idle[name]:.1%}" if name in idle else ""]
        for name, cost in sorted(costs.items(), key=lambda each: -each[1])
    ]
    total = ["**in all**", f"**{whole:,.0f}**", "", f"{sum(idle.values()):.1%}"]
    header = ["process", "CPU µs an order", "share", "idle, of a core"]
    return Table("hops", header, [*rows, total])


def _counts(counted: Mapping[str, float]) -> Table:
    rows = [[name, f"{value:,.2f}"] for name, value in counted.items()]
    updated = counted["rows updated"]
    hot = f"{counted['of these HOT'] / updated:.0%}" if updated else "-"
    return Table("counts", ["what", "an order"], [*rows, ["HOT share of updates", hot]])

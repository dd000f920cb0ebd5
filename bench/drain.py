"""How fast does a backlog of twenty thousand orders drain?"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from bench import load
from bench.report import Goal, Plot, Result, Run
from bench.system import system

_ORDERS = 20_000
_PATIENCE = 240


async def measure(folder: Path, run: Run) -> list[Result]:
    """Accept orders while nobody works; then start who does, and wait until nothing waits."""
    count = int(run.pick(1_000, _ORDERS))
    async with system(folder) as running:
        await running.stop("bridge", "workers")
        sent = await load.as_fast_as_they_go(running.port, 120, count=count)
        await running.start_workers_and_bridge()
        began = time.perf_counter()
        left: list[tuple[float, float]] = []
        while time.perf_counter() - began < _PATIENCE:
            backlog = await running.backlog()
            left.append((time.perf_counter() - began, float(backlog.total)))
            if not backlog.total:
                break
            await asyncio.sleep(0.5)
        async with running.database.connection() as connection:
            done = await connection.fetchval(
                "SELECT count(*) FROM ops.webhook_deliveries WHERE state = 'delivered'"
            )
    took = left[-1][0]
    rest = "" if not left[-1][1] else f"; {left[-1][1]:,.0f} rows were left"
    detail = (
        f"{done:,} of {len(sent.waits):,} orders delivered in {took:.1f} s, from when workers and "
        f"bridge were ready{rest}"
    )
    goal = 500 * run.scale
    return [
        Goal("backlog drains, orders/s", done / took, goal, at_least=True, detail=detail),
        Plot(
            "drain", f"A backlog of {count:,} orders", "seconds", "rows", {"all that waits": left}
        ),
    ]

"""How many deliveries a second where two hundred endpoints want each order?"""

from __future__ import annotations

from pathlib import Path

from bench import load
from bench.report import Goal, Result, Run
from bench.system import System, system
from orderbus import storage
from orderbus.domain.webhooks import new_secret

ENDPOINTS = 200


async def measure(folder: Path, run: Run) -> list[Result]:
    """Accept some orders at once; from the first delivery's attempt to the last one's answer."""
    orders = int(run.pick(3, 50))
    async with system(folder, events="nobody.asks") as running:
        await endpoints(running, "/fast", ENDPOINTS)
        sent = await load.as_fast_as_they_go(running.port, 60, count=orders)
        await running.all_drained(within=600)
        async with running.database.connection() as connection:
            row = await connection.fetchrow(
                """
                SELECT count(*) AS count,
                       extract(epoch FROM max(finished_at) - min(started_at))::float AS seconds
                  FROM ops.webhook_attempts
                 WHERE outcome = 'delivered'
                """
            )
    assert row is not None  # noqa: S101 - it counts
    detail = f"{len(sent.waits)} orders to {ENDPOINTS} endpoints: {row['count']:,} deliveries"
    rate = row["count"] / row["seconds"]
    return [Goal("fan-out, deliveries/s", rate, 2_000 * run.scale, at_least=True, detail=detail)]


async def endpoints(running: System, path: str, count: int = 1) -> None:
    """Add endpoints that want every order that is created."""
    async with running.database.connection() as connection:
        for number in range(count):
            await storage.endpoints.add(
                connection,
                url=f"{running.receiver}{path}" + (f"/{number}" if count > 1 else ""),
                secrets=[new_secret()],
                format="event",
                ordering="order",
                events=["order.created"],
            )

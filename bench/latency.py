"""How long from accepted to delivered, at fifty orders a second, from a new database on?"""

from __future__ import annotations

import statistics
from datetime import UTC, datetime
from pathlib import Path

from bench.report import Goal, Plot, Result, Run
from bench.system import System, accepted, system

PER_SECOND = 50
_EVER = datetime.fromtimestamp(0, UTC)


async def measure(folder: Path, run: Run) -> list[Result]:
    """Send orders at a steady pace, and read from the ledger how long each took."""
    seconds = run.pick(8, 60, 300)
    async with system(folder) as running:
        await accepted(running, PER_SECOND, seconds)
        await running.all_drained(within=120)
        took = await delivered(running)
    first = [wait for at, wait in took if at < 60]  # noqa: PLR2004 - a minute
    whole = [wait for _, wait in took]
    p50, p99 = quantile(first, 50), quantile(first, 99)
    detail = f"new database, no warm-up, {len(first)} orders in the first minute at {PER_SECOND}/s"
    overall = f"{len(whole)} orders: p50 {quantile(whole, 50):.0f}, p99 {quantile(whole, 99):.0f}"
    goals: list[Result] = [
        Goal(name, figure, wanted / run.scale, at_least=False, detail=detail)
        for name, figure, wanted in (
            ("accepted to delivered, first minute p50 (ms)", p50, 40),
            ("accepted to delivered, first minute p99 (ms)", p99, 120),
        )
    ]
    whole_p99 = quantile(whole, 99)
    name = "accepted to delivered, overall p99 (ms)"
    lines = {f"p{share}": _by_second(took, share) for share in (50, 99)}
    title = f"Accepted to delivered at {PER_SECOND} orders/s"
    return [
        *goals,
        Goal(name, whole_p99, 120 / run.scale, at_least=False, detail=overall),
        Plot("latency", title, "seconds since the first order", "ms", lines),
    ]


async def delivered(running: System, *, since: datetime = _EVER) -> list[tuple[float, float]]:
    """List when each order came (seconds since the first) and how long its first event took (ms).

    To the endpoint that answers alone; ``since`` leaves out what is older.
    """
    async with running.database.connection() as connection:
        rows = await connection.fetch(
            """
            SELECT extract(epoch FROM occurred_at - min(occurred_at) OVER ())::float AS at,
                   1000 * extract(epoch FROM attempt.finished_at - occurred_at)::float AS took
              FROM ops.webhook_deliveries AS delivery
              JOIN ops.webhook_attempts AS attempt ON attempt.delivery_id = delivery.id
              JOIN ops.webhook_endpoints AS endpoint ON endpoint.id = delivery.endpoint_id
             WHERE attempt.outcome = 'delivered' AND endpoint.url LIKE '%/fast'
               AND delivery.sequence = 1 AND occurred_at >= $1
             ORDER BY occurred_at
            """,
            since,
            timeout=120,
        )
    return [(row["at"], row["took"]) for row in rows]


def quantile(waits: list[float], of_hundred: int) -> float:
    """Tell in what time so many of a hundred were done."""
    return statistics.quantiles(waits, n=100)[of_hundred - 1]


def _by_second(took: list[tuple[float, float]], share: int) -> list[tuple[float, float]]:
    """Draw a quantile of each five seconds."""
    points = []
    for start in range(0, int(took[-1][0]) + 1, 5):
        waits = [wait for at, wait in took if start <= at < start + 5]
        if len(waits) > 1:
            points.append((float(start), quantile(waits, share)))
    return points

"""Is it as fast with ten million events, settled deliveries and attempts as with none?"""

from __future__ import annotations

from pathlib import Path

from bench import latency, load
from bench.report import Goal, Result, Run
from bench.system import System, accepted, system

ROWS = 10_000_000
_STEP = 50_000
_ORDERS = 5_000


async def measure(folder: Path, run: Run) -> list[Result]:
    """Drain the same backlog, and look at the same pace, before and after the tables are filled."""
    rows = int(run.pick(100_000, 1_000_000, ROWS))
    async with system(folder) as running:
        before = await _figures(running, run)
        await _fill(running, rows)
        after = await _figures(running, run)
    names = {
        "accept": f"accept rate with {rows:,} rows / without",
        "drain": f"backlog drains with {rows:,} rows / without",
        "p99": f"accepted to delivered p99 without / with {rows:,} rows",
    }
    return [
        Goal(
            title,
            before[name] / after[name] if name == "p99" else after[name] / before[name],
            0.9,
            at_least=True,
            detail=f"{after[name]:,.0f} beside {before[name]:,.0f}",
        )
        for name, title in names.items()
    ]


async def _figures(running: System, run: Run) -> dict[str, float]:
    """Accept orders while nobody works, let them drain, and then go at a steady pace."""
    await running.stop("bridge", "workers")
    sent = await load.as_fast_as_they_go(running.port, 120, count=run.pick(500, _ORDERS))
    await running.start_workers_and_bridge()
    drained = await running.all_drained(within=600)
    async with running.database.connection() as connection:
        since = await connection.fetchval("SELECT clock_timestamp()")
    await accepted(running, latency.PER_SECOND, run.pick(6, 30))
    await running.all_drained(within=120)
    took = [wait for _, wait in await latency.delivered(running, since=since)]
    return {
        "accept": sent.rate,
        "drain": len(sent.waits) / drained,
        "p99": latency.quantile(took, 99),
    }


async def _fill(running: System, rows: int) -> None:
    """Add what was settled long ago, today's day included, as if retention had not come yet."""
    for start in range(0, rows, _STEP):
        async with running.database.connection() as connection:
            await connection.execute(_SETTLED, start, min(rows, start + _STEP) - 1, timeout=120)
    for table in ("events", "inbox", "webhook_deliveries", "webhook_attempts"):
        async with running.database.connection() as connection:
            await connection.execute(f"ANALYZE ops.{table}", timeout=600)


#: Orders whose events came back and were delivered at the first attempt, today and yesterday.
_SETTLED = """
    WITH event AS (
        INSERT INTO ops.events (order_id, order_public_id, order_created_at, sequence, type,
               content, occurred_at)
        SELECT 1000000000 + n, gen_random_uuid(), at, 1, 'order.created',
               jsonb_build_object('order_id', 'SO-' || n, 'total', '350.00'), at
          FROM generate_series($1::integer, $2::integer) AS n,
               LATERAL (SELECT now() - n % 2 * interval '1 day') AS moment (at)
        RETURNING event_id, occurred_at, order_id
    ), received AS (
        INSERT INTO ops.inbox (event_id, occurred_at, order_id, sequence, message_id, published_at)
        SELECT event_id, occurred_at, order_id, 1, 'm', occurred_at FROM event
    ), owed AS (
        INSERT INTO ops.webhook_deliveries (endpoint_id, event_id, occurred_at, order_id, sequence,
               state, attempts, settled_at, first_sent_at)
        SELECT endpoint.id, event_id, occurred_at, order_id, 1, 'delivered', 1, occurred_at,
               occurred_at
          FROM event, ops.webhook_endpoints AS endpoint
        RETURNING id
    )
    INSERT INTO ops.webhook_attempts (delivery_id, number, finished_at, outcome, status)
    SELECT id, 1, clock_timestamp(), 'delivered', 204 FROM owed
"""

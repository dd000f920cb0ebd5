"""Is it as fast with ten million events, settled deliveries and attempts as with none?

The first of each pair is measured on a new database, the second on the same one with the rows in.
"""

from __future__ import annotations

from pathlib import Path

from bench import consumers, latency, load, parts, relay, sustained
from bench.report import Goal, Result, Run
from bench.system import System, accepted, system
from orderbus import log_lines, storage
from orderbus.pubsub.publisher import open_publisher

ROWS = 10_000_000
_STEP = 50_000
_ORDERS = 10_000

#: What is measured without the rows and with them; the times are better where they are shorter.
_RATES = ("accept", "drain", "relay", "bridge", "processing")
_TIMES = ("accept p99", "accepted to delivered p50", "accepted to delivered p99")


async def measure(folder: Path, run: Run) -> list[Result]:
    """Ask the same of one system before and after its tables are filled."""
    rows = int(run.pick(100_000, 1_000_000, ROWS))
    async with system(folder) as running:
        without = await _figures(running, run)
        flat = [await _hold(running, run, "0 rows")]
        await _fill(running, rows)
        with_rows = await _figures(running, run)
        flat.append(await _hold(running, run, f"{rows:,} rows"))
    ratios = {name: with_rows[name] / without[name] for name in _RATES}
    ratios |= {name: without[name] / with_rows[name] for name in _TIMES}
    return [
        *flat,
        *(
            Goal(
                f"{name}, {rows:,} rows beside none",
                ratio,
                0.9,
                at_least=True,
                detail=f"{with_rows[name]:,.0f} beside {without[name]:,.0f}",
            )
            for name, ratio in ratios.items()
        ),
    ]


async def _hold(running: System, run: Run, name: str) -> Goal:
    """Offer what is to be sustained, for five minutes."""
    rate, seconds = 400 * run.scale, run.pick(12, 60, 300)
    held = await sustained.hold(running, rate, seconds)
    await running.all_drained(within=120)
    told = f"{seconds:.0f} s at {rate:.0f} orders/s, of which {held.accepted:.0f}/s were accepted"
    wanted = sustained.FLAT * rate
    grew = max(0.0, held.growth)
    return Goal(f"rows a second that the backlog grew by, {name}", grew, wanted, False, told)  # noqa: FBT003


async def _figures(running: System, run: Run) -> dict[str, float]:
    """Accept orders while nobody works, let them drain, go at a steady pace; then each hop."""
    await running.stop("bridge", "workers")
    sent = await load.as_fast_as_they_go(running.port, 120, count=run.pick(500, _ORDERS))
    await running.start_workers_and_bridge()
    drained = await running.all_drained(within=600)
    async with running.database.connection() as connection:
        since = await connection.fetchval("SELECT clock_timestamp()")
    await accepted(running, latency.PER_SECOND, run.pick(6, 60))
    await running.all_drained(within=120)
    took = [wait for _, wait in await latency.delivered(running, since=since)]
    await running.stop("bridge", "workers")
    hops = await _hops(running, run)
    await running.start_workers_and_bridge()
    await running.all_drained(within=600)
    return {
        "accept": sent.rate,
        "accept p99": latency.quantile(sent.waits, 99),
        "drain": len(sent.waits) / drained,
        "accepted to delivered p50": latency.quantile(took, 50),
        "accepted to delivered p99": latency.quantile(took, 99),
        **hops,
    }


async def _hops(running: System, run: Run) -> dict[str, float]:
    """Publish, record for three consumers, and process, each alone; events or orders a second."""
    settings = parts.settings_of(running.stack.env, relay_batch=relay.BATCH, log_level="ERROR")
    log_lines.configure(settings, process="bench")
    share = int(run.pick(400, 2_000))
    async with open_publisher(settings) as publisher:
        published = 0.0
        for _ in range(relay.TURNS):
            await parts.accept(running.database, share)
            published += await relay.drain(running.database, publisher, settings)
    recorded = 0.0
    for _ in range(consumers.TURNS):
        seconds, _ = await consumers.record(running.database, share, count=3)
        recorded += seconds
    async with running.database.connection() as connection:
        for name in consumers.names(3):  # nobody consumes for them
            await storage.consumptions.forget(connection, name, at_most=consumers.TURNS * share)
    processed, _ = await consumers.process(running.database, settings, share)
    return {
        "relay": relay.TURNS * share / published,
        "bridge": consumers.TURNS * share / recorded,
        "processing": share / processed,
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

"""Does an endpoint that hangs, or an order of ten thousand events, slow anybody else?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from bench import fan_out, latency
from bench.report import Goal, Plot, Result, Run
from bench.system import System, accepted, system
from orderbus import services, storage
from orderbus.storage.events import Happened

PER_SECOND = 50
QUEUED = 50_000
EVENTS = 10_000


async def measure(folder: Path, run: Run) -> list[Result]:
    """Send at a steady pace before and after; compare the p99 of those who did nothing."""
    queued, events = int(run.pick(2_000, QUEUED)), int(run.pick(500, EVENTS))
    hanging = f"B's p99 where A hangs with {queued:,} queued / without"
    long = f"p99 of others beside an order of {events:,} events / without"
    return [
        *await _compared(
            folder, run, hanging, "order.created", lambda running: _hang(running, queued)
        ),
        *await _compared(
            folder.with_name("long-order"), run, long, "*", lambda running: _long(running, events)
        ),
    ]


async def _compared(
    folder: Path,
    run: Run,
    name: str,
    events: str,
    disturb: Callable[[System], Awaitable[None]],
) -> list[Result]:
    seconds = run.pick(6, 25, 120)
    async with system(folder, events=events) as running:
        warm = len(await _paced(running, run.pick(3, 10)))
        before = (await _paced(running, seconds))[warm:]
        await disturb(running)
        after = (await _paced(running, seconds))[warm + len(before) :]
    figures = [[wait for _, wait in part] for part in (before, after)]
    calm, disturbed = (latency.quantile(waits, 99) for waits in figures)
    medians = "p50 {:.0f} and {:.0f} ms".format(*(latency.quantile(waits, 50) for waits in figures))
    detail = f"{disturbed:.0f} ms beside {calm:.0f} ms at {PER_SECOND}/s; {medians}"
    lines = {
        label: [(at - part[0][0], wait) for at, wait in part]
        for label, part in (("without", before), ("with", after))
    }
    short = name.partition(" where ")[0].partition(" of ")[0]
    return [
        Goal(name, disturbed / calm, 1.2, at_least=False, detail=detail),
        Plot(f"bulkhead {short.replace(chr(39), '')}", name, "seconds", "ms", lines),
    ]


async def _paced(running: System, seconds: float) -> list[tuple[float, float]]:
    """Send orders; wait until the endpoint that answers has had each of them."""
    before = len(await latency.delivered(running))
    sent = await accepted(running, PER_SECOND, seconds)
    async with asyncio.timeout(120):
        took = await latency.delivered(running)
        while len(took) - before < len(sent.waits):
            await asyncio.sleep(0.5)
            took = await latency.delivered(running)
    return took


async def _hang(running: System, queued: int) -> None:
    """Add endpoint A, which never answers, and owe it so many."""
    await fan_out.endpoints(running, "/hang")
    step = 5_000
    for start in range(0, queued, step):
        async with running.database.connection() as connection:
            await connection.execute(_OWED, start, min(queued, start + step) - 1)
    async with running.database.connection() as connection:
        await connection.execute("ANALYZE ops.webhook_deliveries")


async def _long(running: System, events: int) -> None:
    """Give one order so many events, all committed at once."""
    await running.all_drained(within=120)
    async with running.database.connection() as connection:
        newest = await connection.fetchval("SELECT public_id FROM orders.orders ORDER BY id DESC")
        order = await storage.orders.get(connection, str(newest))
        content = services.orders.content_of(order)
        updated = Happened(
            order.order_pk, "order.updated", "bench", content=content, also="order.noted"
        )
        async with connection.transaction():
            for _ in range(events // 2):
                await storage.events.append(connection, [updated])


#: As if so many orders had come back from Pub/Sub: each one's event, watermark and delivery.
_OWED = """
    WITH event AS (
        INSERT INTO ops.events (order_id, order_public_id, order_created_at, sequence, type,
               content)
        SELECT 1000000000 + n, gen_random_uuid(), now(), 1, 'order.created', known.content
          FROM generate_series($1::integer, $2::integer) AS n,
               (SELECT content FROM ops.events WHERE type = 'order.created' LIMIT 1) AS known
        RETURNING *
    ), received AS (
        INSERT INTO ops.inbox (event_id, occurred_at, order_id, sequence, message_id, published_at)
        SELECT event_id, occurred_at, order_id, 1, 'm', now() FROM event
    ), watermark AS (
        INSERT INTO ops.watermarks (order_id, sequence, day)
        SELECT order_id, 1, occurred_at::date FROM event
    )
    INSERT INTO ops.webhook_deliveries (endpoint_id, event_id, occurred_at, order_id, sequence)
    SELECT endpoint.id, event_id, occurred_at, order_id, 1
      FROM event, ops.webhook_endpoints AS endpoint
     WHERE endpoint.url LIKE '%/hang'
"""

"""How long from accepted to delivered, at fifty orders a second, over the whole way?"""

from __future__ import annotations

import asyncio
import statistics
from pathlib import Path
from uuid import uuid4

import aiohttp

from bench import parts
from bench.report import Goal
from orderbus.devtools.stack import running_stack
from orderbus.storage.database import Database, open_database

PER_SECOND = 50


async def measure(folder: Path, *, quick: bool) -> list[Goal]:
    """Send orders at a steady pace, and read from the ledger how long each took."""
    seconds = 4 if quick else 20
    folder.mkdir(mode=0o755)
    async with running_stack(folder, sink=parts.silent, say=lambda _: None) as running:
        settings = parts.settings_of(running.env)
        async with open_database(settings) as database:
            warm = await _send(running.urls["api"], 2)
            await _delivered(database, warm)
            sent = await _send(running.urls["api"], seconds)
            took = (await _delivered(database, warm + sent))[warm:]
    quantiles = statistics.quantiles(took, n=100)
    detail = (
        f"{len(took)} orders at {PER_SECOND}/s: p50 {quantiles[49]:.0f} ms, "
        f"p95 {quantiles[94]:.0f} ms, p99 {quantiles[98]:.0f} ms"
    )
    name = "accept to delivered p50 (ms)"
    return [Goal(name, quantiles[49], 120, at_least=False, detail=detail)]


async def _send(api: str, seconds: int) -> int:
    """Send orders at the pace for so long; returns how many."""
    loop = asyncio.get_running_loop()
    async with aiohttp.ClientSession() as session:

        async def send(order: object) -> None:
            async with session.post(f"{api}/webhooks/orders/create/", json=order) as answer:
                await answer.read()

        began = loop.time()
        sending = []
        for number in range(seconds * PER_SECOND):
            await asyncio.sleep(max(0.0, began + number / PER_SECOND - loop.time()))
            body = {**parts.ORDER, "order_id": f"SO-{uuid4()}"}
            sending.append(asyncio.create_task(send(body)))
        await asyncio.gather(*sending)
    return seconds * PER_SECOND


async def _delivered(database: Database, count: int) -> list[float]:
    """Wait until so many are delivered; milliseconds from commit to the answer, oldest first."""
    async with asyncio.timeout(60):
        while True:
            async with database.connection() as connection:
                rows = await connection.fetch(
                    """
                    SELECT 1000 * extract(epoch FROM attempt.finished_at - occurred_at)::float
                               AS took
                      FROM ops.webhook_deliveries AS delivery
                      JOIN ops.webhook_attempts AS attempt ON attempt.delivery_id = delivery.id
                     WHERE attempt.outcome = 'delivered'
                     ORDER BY occurred_at
                    """
                )
            if len(rows) >= count:
                return [row["took"] for row in rows]
            await asyncio.sleep(0.1)

"""How many events a second go through the bridge to several consumers, and are processed?"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import parts
from bench.report import Goal
from orderbus import actors, services, storage, telemetry
from orderbus.pubsub.messages import encode
from orderbus.pubsub.subscription import Received
from orderbus.resources import Resources
from orderbus.services.consumptions import Consuming
from orderbus.settings import Settings
from orderbus.storage.database import Database, open_database
from tests.support import statements

BATCH = 200
#: How many consumers want every event.
CONSUMERS = (1, 3, 10)
TURNS = 3


async def measure(folder: Path, *, quick: bool) -> list[Goal]:
    """Record events for 1, 3 and 10 consumers in turns; then process orders."""
    share = 400 if quick else 2_000
    async with parts.parts(folder, ["PostgreSQL", "Pub/Sub"]) as env:
        settings = parts.settings_of(env, log_level="ERROR")
        telemetry.configure_logging(settings, process="bench")
        async with open_database(settings) as database:
            return [
                *await _bridge(database, share),
                await _processing(database, settings, share),
            ]


async def _bridge(database: Database, share: int) -> list[Goal]:
    took = dict.fromkeys(CONSUMERS, 0.0)
    counts = dict.fromkeys(CONSUMERS, 0)
    for _ in range(TURNS):
        for count in CONSUMERS:
            wanted = {f"consumer_{'abcdefghij'[n]}": "order.*" for n in range(count)}
            received = await _placed(database, share)
            with statements.recorded() as sent:
                began = time.perf_counter()
                for start in range(0, share, BATCH):
                    batch = received[start : start + BATCH]
                    await services.inbox.receive(database, batch, wanted=wanted)
                took[count] += time.perf_counter() - began
            counts[count] += len(sent)
    events = share * TURNS
    detail = ", ".join(
        f"{count}: {events / took[count]:.0f}/s with {counts[count] / events:.3f} statements"
        for count in CONSUMERS
    )
    few, most = CONSUMERS[0], CONSUMERS[-1]
    return [
        Goal(
            f"bridge rate, {most} consumers / {few}",
            took[few] / took[most],
            0.3,
            at_least=True,
            detail=f"events through the bridge by consumers: {detail}; batches of {BATCH}",
        ),
        Goal(
            f"bridge statements per event, {most} consumers",
            counts[most] / events,
            0.1,
            at_least=False,
            detail=f"{counts[most]} statements for {events} events",
        ),
    ]


async def _processing(database: Database, settings: Settings, share: int) -> Goal:
    installed = {each.name: each for each in actors.consumers.installed(settings)}
    processing = installed["process_order"]
    nobody: Any = None
    held = Resources(settings, database, publisher=nobody, http=nobody)
    received = await _placed(database, share)
    for start in range(0, share, BATCH):
        batch = received[start : start + BATCH]
        await services.inbox.receive(database, batch, wanted={processing.name: "*.created"})
    consuming = Consuming(held, processing.name, processing.work)
    left = share

    with statements.recorded() as sent:
        began = time.perf_counter()
        while left:
            consuming.woken.clear()
            await consuming.take_due()
            await consuming.idle()
            async with database.connection() as connection:
                pending = await storage.consumptions.pending_by_consumer(connection)
            left = pending.get(processing.name, 0)
        took = time.perf_counter() - began
    detail = (
        f"{share / took:.0f} orders/s in one process, durable; each three events more; "
        "transactions' own statements included"
    )
    return Goal(
        "statements per processed order", len(sent) / share, 0.3, at_least=False, detail=detail
    )


async def _placed(database: Database, count: int) -> list[Received]:
    """Accept orders, and make of their events what Pub/Sub would bring."""
    mark = await parts.accept(database, count)
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT * FROM ops.events WHERE content ->> 'order_id' LIKE $1 ORDER BY occurred_at",
            f"{mark}-%",
        )
    return [_received(storage.outbox.event_of(row)) for row in rows]


def _received(event: Any) -> Received:  # noqa: ANN401 - an event
    message = encode(event)

    def nothing() -> None:
        """Nobody waits for it."""

    return Received(
        message.data, message.attributes, str(event.id), datetime.now(UTC), nothing, nothing
    )

"""How many events a second go through the bridge to several consumers, and are processed?"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import parts
from bench.report import Goal, Result, Run
from orderbus import actors, log_lines, services, storage
from orderbus.domain.events import Event
from orderbus.pubsub.messages import encode
from orderbus.pubsub.subscription import Received
from orderbus.resources import Resources
from orderbus.services.consumptions import Consuming, Work
from orderbus.settings import Settings
from orderbus.storage.database import Connection, Database, open_database
from tests.support import statements

BATCH = 200
#: How many consumers want every event.
CONSUMERS = (1, 3, 10)
TURNS = 3


async def measure(folder: Path, run: Run) -> list[Result]:
    """Record events for 1, 3 and 10 consumers in turns; then process orders."""
    share = int(run.pick(400, 2_000))
    async with parts.parts(folder, ["PostgreSQL", "Pub/Sub"]) as env:
        settings = parts.settings_of(env, log_level="ERROR")
        log_lines.configure(settings, process="bench")
        async with open_database(settings) as database:
            return [
                *await _bridge(database, share, run),
                *await _processing(database, settings, share, run),
                await _own_consumer(database, settings, share),
            ]


async def _bridge(database: Database, share: int, run: Run) -> list[Result]:
    took = dict.fromkeys(CONSUMERS, 0.0)
    counts = dict.fromkeys(CONSUMERS, 0)
    for _ in range(TURNS):
        for count in CONSUMERS:
            seconds, sent = await record(database, share, count=count)
            took[count] += seconds
            counts[count] += sent
    events = share * TURNS
    rates = {count: events / took[count] for count in CONSUMERS}
    told = ", ".join(f"{count}: {rate:,.0f}/s" for count, rate in rates.items())
    detail = f"by consumers: {told}; batches of {BATCH}, durable"
    most = CONSUMERS[-1]
    goals: list[Result] = [
        Goal(f"bridge, events/s, {count} consumers", rates[count], goal * run.scale, True, detail)  # noqa: FBT003
        for count, goal in ((3, 10_000), (10, 6_000))
    ]
    each, sent_in_all = counts[most] / events, f"{counts[most]} statements for {events} events"
    name = f"bridge, statements per event, {most} consumers"
    return [*goals, Goal(name, each, 0.1, at_least=False, detail=sent_in_all)]


def names(count: int) -> list[str]:
    """Name so many consumers that nobody has."""
    return [f"consumer_{'abcdefghij'[n]}" for n in range(count)]


async def record(database: Database, share: int, *, count: int) -> tuple[float, int]:
    """Record events for so many consumers; returns the seconds, and the statements it took."""
    wanted = dict.fromkeys(names(count), "order.*")
    received = await _placed(database, share)
    with statements.recorded() as sent:
        began = time.perf_counter()
        for start in range(0, share, BATCH):
            await services.inbox.receive(database, received[start : start + BATCH], wanted=wanted)
        return time.perf_counter() - began, len(sent)


async def process(database: Database, settings: Settings, share: int) -> tuple[float, int]:
    """Process orders; returns the seconds, and the statements it took."""
    installed = {each.name: each for each in actors.consumers.installed(settings)}
    work = installed["process_order"].work
    return await _consumed(database, settings, share, "process_order", work)


async def _processing(database: Database, settings: Settings, share: int, run: Run) -> list[Result]:
    took, sent = await process(database, settings, share)
    each = "each three events more; transactions' own statements included"
    detail = f"alone, durable, {each}"
    goal = 2_000 * run.scale
    return [
        Goal("orders processed a second", share / took, goal, at_least=True, detail=detail),
        Goal("statements per processed order", sent / share, 0.3, at_least=False, detail=each),
    ]


async def _own_consumer(database: Database, settings: Settings, share: int) -> Goal:
    """Let a consumer of one's own, whose effect is one statement, consume as many events."""

    async def effect(connection: Connection, event: Event) -> None:
        await connection.execute("SELECT $1::bigint", event.sequence)

    work = Work(effect, None, None)
    took, sent = await _consumed(database, settings, share, "bench_own", work)
    detail = f"its own one included; {share / took:,.0f} events/s"
    name = "statements per event of a consumer of one's own"
    return Goal(name, sent / share, 4, at_least=False, detail=detail)


async def _consumed(
    database: Database,
    settings: Settings,
    share: int,
    name: str,
    work: Work,
) -> tuple[float, int]:
    """Have a consumer consume so many events; returns the seconds, and the statements it took."""
    nobody: Any = None
    held = Resources(settings, database, publisher=nobody, http=nobody)
    received = await _placed(database, share)
    for start in range(0, share, BATCH):
        batch = received[start : start + BATCH]
        await services.inbox.receive(database, batch, wanted={name: "*.created"})
    consuming = Consuming(held, name, work)
    left, looked = share, 0
    with statements.recorded() as sent:
        began = time.perf_counter()
        while left:
            consuming.woken.clear()
            await consuming.take_due()
            await consuming.idle()
            async with database.connection() as connection:
                pending = await storage.consumptions.pending_by_consumer(connection)
            left, looked = pending.get(name, 0), looked + 1
        return time.perf_counter() - began, len(sent) - looked


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
        message.data,
        message.attributes,
        str(event.id),
        datetime.now(UTC),
        nothing,
        nothing,
        nothing,
    )

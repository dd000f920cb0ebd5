"""How fast is a backlog published, beside a bare client and a relay library with equal batches?"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from google.cloud import pubsub_v1
from google.cloud.pubsub_v1.types import BatchSettings

from bench import parts, peer
from bench.report import Goal, Result, Run, Table
from orderbus import log_lines, services
from orderbus.pubsub import channels, topology
from orderbus.pubsub.messages import encode
from orderbus.pubsub.publisher import Publisher, open_publisher
from orderbus.settings import Settings
from orderbus.storage.database import Database, open_database
from tests.support import samples

BATCH = 200
#: Batches of the bare client under way at a time, as many as our relay has.
TOGETHER = 4
TURNS = 4


async def measure(folder: Path, run: Run) -> list[Result]:
    """Publish a backlog by the relay, as many messages bare, and by the library, in turns."""
    rows = int(run.pick(2_400, 20_000))
    share = rows // TURNS
    async with parts.parts(folder, ["PostgreSQL", "Pub/Sub"]) as env:
        settings = parts.settings_of(env, relay_batch=BATCH, log_level="WARNING")
        log_lines.configure(settings, process="bench")
        async with open_database(settings) as database, open_publisher(settings) as publisher:
            async with database.connection() as connection:
                await connection.execute("CREATE SCHEMA peers")
            ours = bare = library = 0.0
            for _ in range(TURNS):
                await parts.accept(database, share)
                bare += await asyncio.to_thread(_publish_bare, settings, share)
                ours += await drain(database, publisher, settings)
                library += await _by_library(env, settings, share)
    seconds = {"orderbus": ours, "Google's bare client": bare, "faststream-outbox": library}
    detail = (
        f"{rows:,} rows: {rows / ours:,.0f}/s beside {rows / bare:,.0f}/s bare; batches of "
        f"{BATCH}, {TOGETHER} at a time"
    )
    return [
        Goal("relay / bare client", bare / ours, 0.85, at_least=True, detail=detail),
        Table(
            "relay",
            ["what publishes", "events/s", "orderbus beside it"],
            [[name, f"{rows / took:,.0f}", f"{took / ours:.2f}"] for name, took in seconds.items()],
        ),
    ]


async def _by_library(env: dict[str, str], settings: Settings, rows: int) -> float:
    """Have the relay library publish rows of as many bytes as our messages have; seconds."""
    size = len(encode(samples.event()).data)
    process = await asyncio.create_subprocess_exec(
        *(peer.python(), "faststream_relay.py", str(rows), str(size)),
        env={**peer.variables(env), "PUBSUB_PROJECT_ID": settings.pubsub_project_id},
        cwd=peer.FOLDER,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    if process.returncode:
        raise RuntimeError(err.decode())
    return float(out)


async def drain(database: Database, publisher: Publisher, settings: Settings) -> float:
    """Publish all that is due; returns the seconds."""
    began = time.perf_counter()
    await services.outbox.Relay(database, publisher, settings).take_due()
    return time.perf_counter() - began


def _publish_bare(settings: Settings, rows: int) -> float:
    """Publish equal messages with Google's client and nothing else; seconds."""
    client = pubsub_v1.PublisherClient(
        BatchSettings(max_messages=BATCH, max_latency=0.05),
        transport=channels.publisher(settings).transport,
    )
    topic = topology.topic_path(settings)
    message = encode(samples.event())
    began = time.perf_counter()
    for start in range(0, rows, BATCH * TOGETHER):
        size = min(BATCH * TOGETHER, rows - start)
        futures = [client.publish(topic, message.data, **message.attributes) for _ in range(size)]
        for future in futures:
            future.result(timeout=10)
    took = time.perf_counter() - began
    client.transport.close()
    return took

"""An outbox published by a relay library, faststream-outbox, to Pub/Sub by Google's client.

    python faststream_relay.py ROWS MESSAGE_BYTES

Fills the library's own table, then lets it fetch, publish and delete; prints how many seconds that
took. Its batches are as large as those of orderbus's relay.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time

from faststream_outbox import OutboxBroker, make_outbox_table
from google.cloud import pubsub_v1
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import create_async_engine

BATCH = 200
#: Each keeps a connection for itself.
WORKERS = 50


async def main(rows: int, size: int) -> float:
    """Publish so many rows; returns the seconds that it took."""
    url = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://")
    engine = create_async_engine(url, pool_size=WORKERS + 5)
    metadata = MetaData(schema="peers")
    table = make_outbox_table(metadata, table_name="outbox")
    broker = OutboxBroker(engine, outbox_table=table, logger=None)
    client = pubsub_v1.PublisherClient(
        pubsub_v1.types.BatchSettings(max_messages=BATCH, max_latency=0.01)
    )
    topic = client.topic_path(os.environ["PUBSUB_PROJECT_ID"], "order.created")
    done, left = asyncio.Event(), rows

    @broker.subscriber(
        "orders",
        max_workers=WORKERS,
        fetch_batch_size=BATCH,
        min_fetch_interval=0.01,
        terminal_flush_batch_size=BATCH,
    )
    async def relay(body: bytes) -> None:
        nonlocal left
        await asyncio.wrap_future(client.publish(topic, body))
        left -= 1
        if left == 0:
            done.set()

    async with engine.begin() as connection:
        await connection.run_sync(metadata.drop_all)
        await connection.run_sync(metadata.create_all)
        await broker.publish_batch(*[b"x" * size] * rows, queue="orders", session=connection)
    began = time.perf_counter()
    await broker.start()
    await done.wait()
    took = time.perf_counter() - began
    await broker.stop()
    await engine.dispose()
    return took


if __name__ == "__main__":
    sys.stdout.write(f"{asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))}\n")

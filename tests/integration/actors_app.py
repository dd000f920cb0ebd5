"""orderbus's own workers with one actor more: ``dramatiq tests.integration.actors_app``."""

from __future__ import annotations

import asyncio
from pathlib import Path

import dramatiq

from orderbus.actors.broker import broker


@dramatiq.actor(broker=broker, queue_name="probes", time_limit=180_000, max_retries=0)
async def write_slowly(path: str, go_on: str) -> None:
    """Say that it began and, once there is a file ``go_on``, that it ended."""
    Path(path).write_text("began")
    while not Path(go_on).exists():
        await asyncio.sleep(0.05)
    Path(path).write_text("ended")

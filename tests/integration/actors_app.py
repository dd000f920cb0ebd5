"""orderbus's own workers with one actor more: ``dramatiq tests.integration.actors_app``."""

from __future__ import annotations

import asyncio
from pathlib import Path

import dramatiq

from orderbus.actors.broker import broker


@dramatiq.actor(broker=broker, queue_name="probes", time_limit=30_000, max_retries=0)
async def write_slowly(path: str, seconds: float) -> None:
    """Say that it began, and ``seconds`` later that it ended."""
    Path(path).write_text("began")
    await asyncio.sleep(seconds)
    Path(path).write_text("ended")

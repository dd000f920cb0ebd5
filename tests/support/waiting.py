"""How long does a test wait? Until what it waits for is so; a deadline only ends what hangs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

#: Seconds after which something is taken to hang. It measures nothing: a machine that is slow, or
#: busy with something else, never comes near it. So no wait of a test has a shorter one.
PATIENCE: Final = 90.0


def until(holds: Callable[[], Any], what: str, *, seconds: float = PATIENCE) -> float:
    """Wait until a condition holds; returns the seconds it took, and fails with its name."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() < began + seconds, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.02)
    return time.monotonic() - began


async def until_async(holds: Callable[[], Any], what: str, *, seconds: float = PATIENCE) -> float:
    """Wait for a condition that blocks while it is asked for."""
    return await asyncio.to_thread(until, holds, what, seconds=seconds)


async def until_here(holds: Callable[[], Any], what: str) -> None:
    """Wait for a condition that this loop's own tasks bring about."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"not within {PATIENCE:.0f} s: {what}"
        await asyncio.sleep(0.005)


async def until_true(holds: Callable[[], Awaitable[Any]], what: str) -> None:
    """Wait for a condition that is awaited, such as one of the database."""
    deadline = time.monotonic() + PATIENCE
    while not await holds():
        assert time.monotonic() < deadline, f"not within {PATIENCE:.0f} s: {what}"
        await asyncio.sleep(0.02)

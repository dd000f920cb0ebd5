"""What is let end when work is interrupted, since nobody would know whether it happened."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from orderbus.errors import Unavailable

T = TypeVar("T")

#: Seconds it may take; then nobody knows, and leases end by themselves.
PATIENCE: Final = 3.0


async def to_the_end(step: Coroutine[Any, Any, T]) -> T:
    """Take a step whole, also where the caller is interrupted meanwhile: it hears so afterwards."""
    task = asyncio.create_task(step)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await ended(task)
        raise


def as_failure(error: Exception | asyncio.CancelledError) -> Exception:
    """Take what work raised for its failure; raises it where this task is told to end."""
    if isinstance(error, Exception):
        return error
    task = asyncio.current_task()
    if task is None or task.cancelling():
        raise error
    return RuntimeError("The work cancelled itself")


async def ended(task: asyncio.Task[T]) -> T | None:
    """Wait for the end of a step that was begun; None where it had no end in time."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await task
    except (TimeoutError, Unavailable):
        return None

"""The event loop of the processes that run for long: uvloop's, which not every system has."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def new() -> asyncio.AbstractEventLoop:
    """Make the fastest event loop that can be had here."""
    try:
        import uvloop  # noqa: PLC0415 - not on every system
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Do what ``asyncio.run`` does, on such a loop."""
    with asyncio.Runner(loop_factory=new) as runner:
        return runner.run(work)

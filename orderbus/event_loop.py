"""The event loop of the processes that run for long: uvloop's, which not every system has."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

#: New objects that are looked through for garbage together; Python's own 700 are those of a few
#: requests or deliveries, most of which are still under way then.
_TOGETHER: Final = 5_000


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


def all_is_loaded() -> None:
    """Look for garbage only among what comes from now on: what is loaded by now stays.

    Looking through that again and again took a quarter of a worker's time under load.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_TOGETHER)

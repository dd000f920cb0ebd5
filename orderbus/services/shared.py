"""What many ask for at once is worked out once: probes and scrapes must not take orders' time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from threading import Lock
from typing import Final, Generic, TypeVar

T = TypeVar("T")

#: Seconds for which an answer, or an error, is given again.
FRESH: Final = 1.0


class Shared(Generic[T]):
    """An answer that is worked out by one at a time, and at most once a second.

    Whoever asks meanwhile waits for it and gets the same answer, or the same error. A caller that
    goes away takes nothing from the others.
    """

    def __init__(self, work: Callable[[], Awaitable[T]]) -> None:
        self._work = work
        self._under_way: asyncio.Task[T] | None = None
        self._stale_at = 0.0

    async def get(self) -> T:
        """Give the answer of now, or of up to a second ago; raises what ``work`` raised."""
        task = self._under_way
        if task is None or (task.done() and time.monotonic() >= self._stale_at):
            task = self._under_way = asyncio.create_task(self._run())
        return await asyncio.shield(task)

    async def _run(self) -> T:
        try:
            return await self._work()
        finally:
            self._stale_at = time.monotonic() + FRESH


class SharedByThreads(Generic[T]):
    """The same for threads: one works it out, the others wait for it."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._lock = Lock()
        self._answer: T | None = None
        self._stale_at = 0.0

    def get(self) -> T:
        """Give the answer of now, or of up to a second ago; an error is for who met it alone."""
        with self._lock:
            if self._answer is None or time.monotonic() >= self._stale_at:
                self._answer = self._work()
                self._stale_at = time.monotonic() + FRESH
            return self._answer

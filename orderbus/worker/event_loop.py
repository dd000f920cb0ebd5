"""The event loop that actors run on; what is under way is interrupted when the worker ends."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Awaitable
from typing import Any, Final, TypeVar

import dramatiq
from dramatiq.asyncio import EventLoopThread, set_event_loop_thread
from dramatiq.middleware import AsyncIO, Shutdown

from orderbus import event_loop

T = TypeVar("T")

#: Seconds that interrupted work has to hand back what it had taken.
_HANDS_BACK_WITHIN: Final = 5.0


class LoopThread(EventLoopThread):
    """Dramatiq's event loop, which knows what is under way on it."""

    def __init__(self, logger: Any) -> None:  # noqa: ANN401 - Dramatiq's, untyped
        super().__init__(logger)
        self.loop.close()
        self.loop = event_loop.new()
        self.daemon = True  # or a process whose main thread has ended would go on for ever
        self._under_way: set[asyncio.Task[Any]] = set()
        self._interrupted = False

    def run_coroutine(self, coro: Awaitable[T]) -> T:
        """Run an actor and wait for it; raises ``Shutdown`` where it was interrupted."""
        try:
            return super().run_coroutine(self._noted(coro))
        except concurrent.futures.CancelledError:
            if self._interrupted:
                raise Shutdown from None
            raise

    async def interrupt(self) -> None:
        """Interrupt what is under way, and wait until it has handed back what it had taken.

        Actors are told here and not by an error in their threads: that could meet a thread that is
        done with its actor already, and end it.
        """
        self._interrupted = True
        under_way = list(self._under_way)
        for task in under_way:
            task.cancel()
        if under_way:
            await asyncio.wait(under_way, timeout=_HANDS_BACK_WITHIN)

    async def _noted(self, coro: Awaitable[T]) -> T:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in one
        self._under_way.add(task)
        try:
            return await coro
        finally:
            self._under_way.discard(task)


class Loop(AsyncIO):
    """Gives the worker its event loop."""

    def before_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:  # noqa: ARG002
        """Start it."""
        thread = LoopThread(self.logger)
        thread.start(timeout=30)
        set_event_loop_thread(thread)

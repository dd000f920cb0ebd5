"""The event loop of a worker process: actors only wake up what works on it."""

from __future__ import annotations

from typing import Any

import dramatiq
from dramatiq.asyncio import EventLoopThread, set_event_loop_thread
from dramatiq.middleware import AsyncIO

from orderbus import event_loop


class LoopThread(EventLoopThread):
    """Dramatiq's event loop, a faster one."""

    def __init__(self, logger: Any) -> None:  # noqa: ANN401 - Dramatiq's, untyped
        super().__init__(logger)
        self.loop.close()
        self.loop = event_loop.new()
        self.daemon = True  # or a process whose main thread has ended would go on for ever


class Loop(AsyncIO):
    """Gives the worker its event loop."""

    def before_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:  # noqa: ARG002
        """Start it."""
        thread = LoopThread(self.logger)
        thread.start(timeout=30)
        set_event_loop_thread(thread)

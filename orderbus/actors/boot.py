"""How does a worker process begin, and how does it end?

It begins whatever is away: resources connect when first used, readiness stays red, and the beat
asks again each second. Settings that cannot work end the whole worker with a sentence.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import sys
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from dramatiq import Broker, Middleware, Worker
from dramatiq.asyncio import get_event_loop_thread

from orderbus import settings as settings_module
from orderbus import telemetry
from orderbus.actors import watchpoint
from orderbus.errors import Misconfigured, Unavailable
from orderbus.resources import Resources, open_resources

T = TypeVar("T")

#: Exit code of a worker whose settings cannot work.
CANNOT_WORK = 2

_open: Resources | None = None


def resources() -> Resources:
    """Hand out what this worker process holds open; raises ``Unavailable`` before it booted."""
    if _open is None:
        message = "The worker is not up yet"
        raise Unavailable(message)
    return _open


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` on the worker's event loop, from one of its threads, and wait for it."""
    return submit(work).result(timeout=30)


def submit(work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
    """Run ``work`` on the worker's event loop without waiting."""
    thread = get_event_loop_thread()
    if thread is None:
        work.close()
        message = "The worker's event loop is not running"
        raise Unavailable(message)
    return asyncio.run_coroutine_threadsafe(work, thread.loop)


def give_up(error: Misconfigured) -> None:
    """Say why the settings cannot work, and end this process; Dramatiq then ends its siblings."""
    sys.stderr.write(f"orderbus: {error}\n")
    sys.stderr.flush()
    os._exit(CANNOT_WORK)


class Boot(Middleware):
    """Opens the resources before the first message and closes them after the last."""

    def __init__(self) -> None:
        """Hold nothing until the worker boots."""
        self._stack = AsyncExitStack()
        self._beat: concurrent.futures.Future[None] | None = None

    @property
    def forks(self) -> list[Any]:
        """The one process beside the workers that shows metrics and health of all of them."""
        return [watchpoint.serve]

    def after_process_boot(self, broker: Broker) -> None:  # noqa: ARG002 - Dramatiq's hook
        """Read the settings, or end the worker with a sentence."""
        try:
            telemetry.configure_logging(settings_module.load(), process="worker")
        except Misconfigured as error:
            sys.stderr.write(f"orderbus: {error}\n")
            # Not os._exit: the master waits half a minute for one that never says it has booted.
            sys.exit(CANNOT_WORK)

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002
        """Open database, publisher and HTTP session on the event loop; nothing connects yet."""
        global _open  # noqa: PLW0603 - one per worker process, as Dramatiq's event loop is
        _open = run(self._stack.enter_async_context(open_resources(settings_module.load())))

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002
        """Start the beat."""
        from orderbus.actors import beat  # noqa: PLC0415 - the beat enqueues, so it needs the broker

        self._beat = submit(beat.run(resources()))

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002
        """Stop hinting; what is under way goes on."""
        if self._beat is not None:
            self._beat.cancel()

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002
        """Close what was opened."""
        global _open  # noqa: PLW0603 - see before_worker_boot
        _open = None
        run(self._stack.aclose())

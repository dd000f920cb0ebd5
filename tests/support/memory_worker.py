"""Dramatiq's own worker with our middleware, in this process and on queues in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import dramatiq
from dramatiq.middleware import ShutdownNotifications, TimeLimit

from orderbus.actors import startup
from orderbus.rabbitmq.memory_broker import MemoryBroker
from orderbus.worker.event_loop import Loop
from orderbus.worker.lifecycle import Lifecycle
from orderbus.worker.retries import Retries

WorkOn = Callable[[int], Awaitable[Any]]


async def dispatch_nothing(*_: object) -> None:
    await asyncio.Event().wait()


class MemoryWorker:
    """A worker whose actor works on one row."""

    def __init__(self, work_on: WorkOn, *, time_limit: int = 60_000) -> None:
        limits = TimeLimit(interval=20)
        life = Lifecycle(prepare=lambda _: None, take=startup.take, dispatch=dispatch_nothing)
        self.broker = MemoryBroker([Loop(), life, limits, ShutdownNotifications(), Retries()])
        limits.after_process_boot(self.broker)  # type: ignore[no-untyped-call]

        async def probe(row: int) -> None:
            await work_on(row)

        declare = dramatiq.actor(broker=self.broker, queue_name="probes", time_limit=time_limit)
        self._actor = declare(probe)
        self._worker = dramatiq.Worker(self.broker, worker_threads=2, worker_timeout=20)

    def begin(self, row: int) -> None:
        self._worker.start()
        self.broker.gate.set()
        self.broker.enqueue(self._actor.message(row))

    def stop(self) -> None:
        """Do what SIGTERM has Dramatiq do."""
        self._worker.stop(timeout=20_000)

"""A broker with a worker in the test's own process, and a record of its dead letters."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import dramatiq
from dramatiq.middleware import AsyncIO, ShutdownNotifications

from orderbus.errors import Unavailable
from orderbus.rabbitmq.broker import Broker
from orderbus.rabbitmq.connection import Connection
from orderbus.storage.dead_letters import FailedMessage
from orderbus.telemetry import UNKNOWN_ACTOR
from orderbus.worker.retries import Retries


class DeadLetters:
    """Where the dead letters of a test go; ``away`` times it cannot be reached first."""

    def __init__(self) -> None:
        self.buried: list[tuple[str, str, str]] = []
        self.refused: list[bytes | None] = []
        self.at_once: list[int] = []
        self.under_way = 0
        self.free = threading.Event()
        self.free.set()
        self.away = 0

    async def bury(self, failed: Sequence[FailedMessage]) -> Sequence[FailedMessage]:
        if self.away:
            self.away -= 1
            raise Unavailable("PostgreSQL did not answer")
        self.under_way += 1
        while not self.free.is_set():
            await asyncio.sleep(0.01)
        self.under_way -= 1
        self.at_once.append(len(failed))
        for each in failed:
            assert each.traceback
            self.buried.append((each.actor or UNKNOWN_ACTOR, each.reason, each.error))
            self.refused.append(each.data)
        return failed


class ProbeWorker:
    """A broker on a virtual host of its own, with a worker in this process."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.dead_letters = DeadLetters()
        self.broker = self.another_broker()
        self.ran: Counter[Any] = Counter()
        self._workers: list[dramatiq.Worker] = []

    def another_broker(self) -> Broker:
        middleware = [AsyncIO(), ShutdownNotifications(), Retries(write=self.dead_letters.bury)]
        return Broker(url=self.url, middleware=middleware)

    def actor(self, work: Callable[..., Any], **options: Any) -> dramatiq.Actor[..., Any]:
        def counted(mark: Any) -> None:
            self.ran[mark] += 1
            work(mark)

        declare = dramatiq.actor(
            actor_name="probe", queue_name="probes", broker=self.broker, **options
        )
        return declare(counted)

    def work(self) -> dramatiq.Worker:
        worker = dramatiq.Worker(self.broker, worker_threads=4, worker_timeout=100)
        worker.start()
        self._workers.append(worker)
        return worker

    def settle_within(self, seconds: float) -> None:
        """Have the threads that read queues wait no longer than that to settle what they hold."""
        for worker in self._workers:
            for thread in worker.consumers.values():
                if thread.consumer is not None:
                    thread.consumer.settle_within = seconds  # type: ignore[attr-defined]

    def stop_working(self) -> None:
        """Do what SIGTERM has Dramatiq do; messages can still be sent."""
        while self._workers:
            self._workers.pop().stop(timeout=5000)

    def close(self) -> None:
        self.stop_working()
        self.broker.close()

    # -- what the broker does not tell ----------------------------------------------------------

    def lose_connection(self) -> None:
        """Let the connection be gone by which the broker publishes."""
        self.broker._publisher.close()

    def is_blocked(self) -> bool:
        """Say whether RabbitMQ takes nothing more from the broker for now."""
        return self._connection().blocked

    def count_unconfirmed(self) -> int:
        """Count the messages that the broker sent and RabbitMQ has not confirmed."""
        return len(self._connection()._unconfirmed)

    def _connection(self) -> Connection:
        connection = self.broker._publisher._connection
        assert connection is not None
        return connection


def nothing(_: Any) -> None:
    """Succeed at once."""

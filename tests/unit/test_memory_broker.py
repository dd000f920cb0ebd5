"""Queues inside the worker behave as RabbitMQ's do, as far as anybody relies on it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import dramatiq
import pytest
from dramatiq.middleware import AsyncIO, ShutdownNotifications

from orderbus.errors import Poisoned, Unavailable
from orderbus.rabbitmq.memory_broker import MemoryBroker
from orderbus.storage.dead_letters import FailedMessage
from orderbus.worker.retries import Retries
from tests.support.waiting import PATIENCE


class Worker:
    """A worker in this process, with a record of its dead letters."""

    def __init__(self) -> None:
        self.letters: list[str] = []
        self.ran: list[str] = []
        self.away = 0
        self.broker = MemoryBroker([AsyncIO(), ShutdownNotifications(), Retries(write=self._bury)])
        self._worker: dramatiq.Worker | None = None

    async def _bury(self, failed: Sequence[FailedMessage]) -> Sequence[FailedMessage]:
        assert all(each.error and each.data is None and each.traceback for each in failed)
        if self.away:
            self.away -= 1
            raise Unavailable("PostgreSQL did not answer")
        self.letters += [each.reason for each in failed]
        return failed

    def actor(self, work: Callable[[], None], **options: Any) -> dramatiq.Actor[..., Any]:
        def probe(mark: str) -> None:
            self.ran.append(mark)
            work()

        return dramatiq.actor(broker=self.broker, queue_name="probes", **options)(probe)

    def start(self) -> None:
        self._worker = dramatiq.Worker(self.broker, worker_threads=2, worker_timeout=50)
        self._worker.start()

    def stop(self) -> None:
        if self._worker is not None:
            self._worker.stop(timeout=5000)


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.stop()


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def nothing() -> None:
    """Do nothing, well."""


class Sent(dramatiq.Middleware):
    """Keeps what each message carried that was put on a queue."""

    def __init__(self) -> None:
        self.options: list[dict[str, Any]] = []

    def before_enqueue(self, _: object, message: dramatiq.Message[Any], __: int | None) -> None:
        self.options.append(message.options)


@pytest.mark.parametrize(
    ("error", "counted"),
    [(Unavailable("away"), {"waits": 8, "retries": 2}), (KeyError(), {"waits": 7, "retries": 3})],
)
def test_a_message_that_is_tried_again_carries_what_was_counted(
    worker: Worker, error: Exception, counted: dict[str, int]
) -> None:
    def fail() -> None:
        raise error

    sent = Sent()
    worker.broker.add_middleware(sent)
    actor = worker.actor(fail, max_retries=3)
    worker.start()

    worker.broker.enqueue(actor.message("a").copy(options={"waits": 7, "retries": 2}))

    until(lambda: len(sent.options) > 1)
    assert {name: sent.options[1].get(name) for name in counted} == counted


async def test_what_is_put_is_processed(worker: Worker) -> None:
    actor = worker.actor(nothing)
    worker.start()

    await worker.broker.put([actor.message(mark) for mark in "abc"])

    until(lambda: sorted(worker.ran) == ["a", "b", "c"])


async def test_a_process_that_is_no_worker_hears_that_nobody_would_come(worker: Worker) -> None:
    actor = worker.actor(nothing)

    for attempt in (worker.broker.put([actor.message("a")]), worker.broker.ping()):
        with pytest.raises(Unavailable, match="inside the worker"):
            await attempt


async def test_nothing_is_taken_while_the_gate_is_closed(worker: Worker) -> None:
    actor = worker.actor(nothing)
    worker.broker.gate.clear()
    worker.start()
    await worker.broker.put([actor.message("a")])
    await asyncio.sleep(0.3)
    assert worker.ran == []

    worker.broker.gate.set()

    until(lambda: worker.ran == ["a"])


async def test_what_a_neighbour_delays_is_tried_again_without_being_counted(
    worker: Worker,
) -> None:
    away = threading.Event()
    away.set()

    def work() -> None:
        if away.is_set():
            away.clear()
            raise Unavailable("PostgreSQL did not answer")

    actor = worker.actor(work, max_retries=0)
    worker.start()

    await worker.broker.put([actor.message("a")])

    until(lambda: worker.ran == ["a", "a"])
    assert worker.letters == []


async def test_what_can_never_succeed_is_buried_once_the_desk_is_there(worker: Worker) -> None:
    def work() -> None:
        raise Poisoned("it is nonsense", reason="nonsense")

    actor = worker.actor(work)
    worker.away = 1
    worker.start()

    await worker.broker.put([actor.message("a")])

    until(lambda: worker.letters == ["nonsense"])
    assert worker.ran == ["a"]

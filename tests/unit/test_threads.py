"""A worker that lost a thread says so."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import dramatiq
import pytest
from dramatiq.middleware import TimeLimit
from dramatiq.middleware.threading import raise_thread_exception

from orderbus.rabbitmq.memory_broker import MemoryBroker
from orderbus.services.health import POSTGRES
from orderbus.worker import lifecycle, shared_state
from orderbus.worker.dependencies import Dependencies
from tests.support.waiting import PATIENCE


@pytest.fixture
def worker() -> Iterator[dramatiq.Worker]:
    limits = TimeLimit(interval=20)
    broker = MemoryBroker([limits])
    limits.after_process_boot(broker)  # type: ignore[no-untyped-call]
    broker.declare_queue("probes")
    worker = dramatiq.Worker(broker, worker_threads=2, worker_timeout=20)
    worker.start()
    yield worker
    worker.stop(timeout=5000)


def end(thread: threading.Thread) -> None:
    """End a thread as an error that nobody expected does."""
    raise_thread_exception(thread.ident, SystemExit)  # type: ignore[no-untyped-call]
    deadline = time.monotonic() + PATIENCE
    while thread.is_alive():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_worker_that_is_well_lost_none(worker: dramatiq.Worker) -> None:
    assert lifecycle.lost_threads(worker.broker, worker) == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_every_thread_that_ended_is_named(worker: dramatiq.Worker) -> None:
    (limits,) = (each for each in worker.broker.middleware if isinstance(each, TimeLimit))
    assert isinstance(limits.manager, threading.Thread)

    end(worker.workers[1])
    end(worker.consumers["probes"])
    end(limits.manager)

    assert lifecycle.lost_threads(worker.broker, worker) == [
        "worker 2",
        "consumer of probes",
        "time limit",
    ]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_worker_that_ends_loses_none(worker: dramatiq.Worker) -> None:
    end(worker.workers[1])
    assert isinstance(worker.broker, MemoryBroker)
    worker.broker.stopping.set()

    assert lifecycle.lost_threads(worker.broker, worker) == []


@pytest.mark.parametrize("lost", [[], ["worker 2"]])
def test_a_process_that_lost_a_thread_is_not_ready_and_ends(
    lost: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[dict[str, bool]] = []
    ended: list[Any] = []
    monkeypatch.setattr(shared_state, "report", reported.append)
    monkeypatch.setattr(lifecycle, "end_broken", lambda why, **_: ended.append(why))
    nothing: Any = None
    watch = Dependencies(nothing, MemoryBroker([]), lambda: lost)
    for name in ("postgres", "rabbitmq", "pubsub", *POSTGRES):
        watch.heard(name, up=True)

    watch.report()

    assert all(reported[0].values()) is not bool(lost)
    assert ended == ["threads_lost"] * bool(lost)

"""A worker that ends hands back what it had taken, and that is nobody's fault."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from orderbus import services, storage
from orderbus.errors import Unavailable
from orderbus.services.consumptions import Consuming, Work
from orderbus.services.outbox import Relay
from orderbus.settings import Settings
from orderbus.storage.database import Connection, Database
from orderbus.worker import lifecycle
from tests.support import consumption_rows, delivery_rows, outbox_rows, scenario
from tests.support.memory_worker import MemoryWorker, WorkOn
from tests.support.processes import descendants
from tests.support.rabbitmq_node import until, until_async
from tests.support.receiver import Receiver
from tests.support.waiting import PATIENCE
from tests.support.worker_process import Start, Worker, send

HANDED_BACK = ("pending", 0, False, True, "The worker is stopping")


@pytest.fixture(autouse=True)
def _short_grace(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SECRET_KEY", "a key for tests")
    monkeypatch.setenv("ORDERBUS_STOP_GRACE", "0")
    monkeypatch.setenv("ORDERBUS_WEBHOOK_ALLOWED_NETWORKS", "127.0.0.0/8")
    yield
    with pytest.raises(Unavailable, match="not up"):
        lifecycle.resources()


async def one_due(database: Database, consumer: str = "count_event") -> int:
    await scenario.place(database)
    await scenario.record(database, await scenario.events(database), wanted={consumer: "*"})
    (due,) = await consumption_rows.pending(database, consumer)
    return due


async def row(database: Database) -> tuple[str, int, bool, bool, str | None]:
    found = await consumption_rows.only(database)
    is_leased = found["lease"] is not None
    return found["state"], found["attempts"], is_leased, found["is_due"], found["error"]


def consuming(begun: threading.Event) -> WorkOn:
    async def effect(_: Connection, __: object, ___: None) -> None:
        raise AssertionError

    async def prepare(*_: object) -> None:
        begun.set()
        await asyncio.Event().wait()

    return working(Work(effect, prepare))


def working(work: Work) -> WorkOn:
    """Have the worker do this for ``count_event``, as its dispatcher would."""

    async def take(_: int) -> None:
        consuming = Consuming(lifecycle.resources(), "count_event", work)
        cast("dict[str, Any]", lifecycle.takers())["count_event"] = consuming
        await consuming.take_due()

    return take


async def test_a_consumer_stopped_four_times_in_a_row_is_charged_no_attempt(
    database: Database, settings: Settings
) -> None:
    due = await one_due(database)

    for _ in range(4):
        begun = threading.Event()
        worker = MemoryWorker(consuming(begun))
        await asyncio.to_thread(worker.begin, due)
        assert await asyncio.to_thread(begun.wait, PATIENCE)
        await asyncio.to_thread(worker.stop)
        assert await row(database) == ("pending", 0, False, True, "The worker is stopping")

    await scenario.consume(database, settings, "count_event")
    assert (await row(database))[:2] == ("done", 1)


async def test_a_consumer_that_is_out_of_time_is_charged_an_attempt(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    due = await one_due(database)
    monkeypatch.setattr(services.consumptions, "TIME_LIMIT", 0.05)
    worker = MemoryWorker(consuming(threading.Event()))
    await asyncio.to_thread(worker.begin, due)
    try:
        async with asyncio.timeout(PATIENCE):
            while (await row(database))[4] is None:
                await asyncio.sleep(0.02)
    finally:
        await asyncio.to_thread(worker.stop)

    assert await row(database) == ("pending", 1, False, False, "It took too long")


async def test_a_worker_stopped_while_it_claims_leaves_no_lease_behind(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    due = await one_due(database)
    claim, claimed, go_on = storage.consumptions.claim, threading.Event(), asyncio.Event()

    async def slow(*arguments: Any, **more: Any) -> Any:
        found = await claim(*arguments, **more)  # it is in PostgreSQL; the answer is on its way
        claimed.set()
        await asyncio.sleep(0.2)
        return found

    monkeypatch.setattr(storage.consumptions, "claim", slow)
    worker = MemoryWorker(consuming(threading.Event()))
    await asyncio.to_thread(worker.begin, due)
    assert await asyncio.to_thread(claimed.wait, PATIENCE)
    await asyncio.to_thread(worker.stop)
    go_on.set()

    assert (await row(database))[:4] == ("pending", 0, False, True)


async def test_what_ends_within_the_grace_is_not_interrupted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORDERBUS_STOP_GRACE", "60")
    due = await one_due(database)
    begun, stops = threading.Event(), threading.Event()

    async def prepare(*_: object) -> None:
        begun.set()
        await asyncio.to_thread(stops.wait, PATIENCE)

    async def count(connection: Connection, _: object, __: None) -> None:
        await storage.metrics.count(connection, "orders_created")

    worker = MemoryWorker(working(Work(count, prepare)))
    await asyncio.to_thread(worker.begin, due)
    assert await asyncio.to_thread(begun.wait, PATIENCE)
    stopping = asyncio.create_task(asyncio.to_thread(worker.stop))
    await until_async(worker.broker.stopping.is_set, "it was told to stop")
    stops.set()
    await stopping

    assert (await row(database))[:2] == ("done", 1)


async def test_a_delivery_interrupted_four_times_is_neither_charged_nor_unknown(
    database: Database, settings: Settings, receiver: Receiver
) -> None:
    due = await scenario.one_due(database, receiver.url)
    receiver.may_answer.clear()

    async def deliver(_: int) -> None:
        await lifecycle.takers()["deliver_webhook"].take_due()

    for times in range(1, 5):
        worker = MemoryWorker(deliver)
        await asyncio.to_thread(worker.begin, due)
        await until_async(lambda: len(receiver.requests) == times, "it was sent")  # noqa: B023 - awaited
        await asyncio.to_thread(worker.stop)

    found = await scenario.state(database, due)
    assert (found["state"], found["attempts"], found["crashes"]) == ("pending", 0, 0)
    assert found["lease"] is None
    assert set(await delivery_rows.outcomes(database)) == {"not_charged"}


async def test_a_batch_whose_publishing_is_interrupted_is_due_again_at_once(
    database: Database, settings: Settings
) -> None:
    await scenario.place(database)
    begun = threading.Event()

    class Silent:
        async def publish(self, *_: object, **__: object) -> None:
            begun.set()
            await asyncio.Event().wait()

    async def publish(_: int) -> None:
        publisher: Any = Silent()
        relay = Relay(lifecycle.resources().database, publisher, settings)
        cast("dict[str, Any]", lifecycle.takers())["publish_outbox"] = relay
        await relay.take_due()

    worker = MemoryWorker(publish)
    await asyncio.to_thread(worker.begin, 1)
    assert await asyncio.to_thread(begun.wait, PATIENCE)
    await asyncio.to_thread(worker.stop)

    assert await outbox_rows.are_all_handed_back(database)


async def test_sigterm_has_a_real_worker_hand_back_what_it_had_taken(
    database: Database, start: Start, tmp_path: Path
) -> None:
    worker = await at_work(database, start, tmp_path, on="never_ends", grace=0)

    code = await asyncio.to_thread(worker.stop)

    assert code == 0
    assert await row(database) == HANDED_BACK


async def at_work(
    database: Database, start: Start, tmp_path: Path, *, on: str, grace: int
) -> Worker:
    await one_due(database, on)
    page = tmp_path / "page"
    worker = start(
        *("--processes", "1", "--threads", "2", "--queues", on),
        app="tests.integration.stopping_app",
        ORDERBUS_STOP_GRACE=str(grace),
        PROBE_FILE=str(page),
    )
    await until_async(page.exists, "it is at work")
    return worker


async def tell_each(worker: Worker) -> None:
    """Have each process of a worker hear SIGTERM, as a service manager does."""
    children = await asyncio.to_thread(descendants, worker.process.pid)
    for pid in children:
        os.kill(pid, signal.SIGTERM)
    await until_async(lambda: "Stopping worker process" in worker.log, "it heard the first")


async def test_a_second_sigterm_has_it_handed_back_at_once(
    database: Database, start: Start, tmp_path: Path
) -> None:
    worker = await at_work(database, start, tmp_path, on="never_ends", grace=600)

    await tell_each(worker)
    code = await asyncio.to_thread(worker.stop)

    assert code == 0
    assert await row(database) == HANDED_BACK
    assert not worker.is_there()


async def test_a_third_sigterm_ends_a_worker_that_will_not_end(
    database: Database, start: Start, tmp_path: Path
) -> None:
    worker = await at_work(database, start, tmp_path, on="never_lets_go", grace=600)

    await tell_each(worker)
    await tell_each(worker)
    while worker.is_there():  # signals that come together are one
        worker.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.1)

    assert worker.wait() != 0
    assert (await row(database))[:3] == ("pending", 1, True)


def test_a_worker_that_lost_a_thread_is_not_ready_and_ends(start: Start, rabbitmq_url: str) -> None:
    worker = start("--processes", "1", "--threads", "2", app="tests.integration.stopping_app")
    until(worker.is_ready, "it is ready")
    send(rabbitmq_url, "probes", "end_a_thread")

    code = worker.wait()

    assert code == lifecycle.BROKE
    assert worker.said("threads_lost") == 1, worker.log
    assert worker.said("beat_failed") == 0

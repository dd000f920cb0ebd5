"""What becomes of messages whose actors fail: none is lost, and none is copied."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import dramatiq
import pytest
from dramatiq.errors import ConnectionClosed

from orderbus.errors import Poisoned, Unavailable
from orderbus.rabbitmq.broker import Broker
from orderbus.rabbitmq.consumer import QueueConsumer
from tests.support.probe_worker import ProbeWorker, nothing
from tests.support.rabbitmq_node import Node, ready
from tests.support.waiting import PATIENCE, until

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[2]


def test_a_message_that_cannot_be_put_back_stays_where_it_is(
    rabbitmq_node: Node, probe_worker: ProbeWorker
) -> None:
    let_go = threading.Event()

    def fails_once(mark: str) -> None:
        assert let_go.wait(PATIENCE)
        if probe_worker.ran[mark] == 1:
            raise Unavailable("not yet")

    actor = probe_worker.actor(fails_once)
    actor.send("kept")
    probe_worker.work()
    until(lambda: probe_worker.ran["kept"] == 1, "the message is being processed")
    rabbitmq_node.refuse_connections(on=True)
    probe_worker.lose_connection()  # the next message needs a connection that is refused
    try:
        let_go.set()
        with pytest.raises(ConnectionClosed):
            actor.send("another")
    finally:
        rabbitmq_node.refuse_connections(on=False)

    until(lambda: probe_worker.ran["kept"] == 2, "it is tried again")
    probe_worker.close()
    assert probe_worker.dead_letters.buried == []
    assert [ready(probe_worker.url, f"probes{kind}") for kind in ("", ".DQ", ".XQ")] == [0, 0, 0]


def test_a_retry_during_a_memory_alarm_is_made_once(
    rabbitmq_node: Node, probe_worker: ProbeWorker
) -> None:
    let_go = threading.Event()

    def fails_once(mark: str) -> None:
        assert let_go.wait(PATIENCE)
        if probe_worker.ran[mark] == 1 and mark != "last":
            raise RuntimeError(mark)

    actor = probe_worker.actor(fails_once)
    for mark in ("first", "second"):
        actor.send(mark)
    probe_worker.work()
    until(lambda: probe_worker.ran.total() == 2, "both are being processed")
    rabbitmq_node.alarm(on=True)
    try:
        let_go.set()
        until(probe_worker.is_blocked, "RabbitMQ blocked the retries")
        enqueued = probe_worker.count_unconfirmed()
        for _ in range(6):
            with pytest.raises(ConnectionClosed, match="alarm"):
                actor.send("refused at once")
        asked = probe_worker.count_unconfirmed() - enqueued
    finally:
        rabbitmq_node.alarm(on=False)
    until(
        lambda: probe_worker.ran["first"] == 2 and probe_worker.ran["second"] == 2,
        "both were tried again",
    )
    actor.send("last")
    until(lambda: probe_worker.ran["last"] == 1, "later messages pass")
    probe_worker.close()

    assert asked == 0, "it was refused by ourselves"
    assert probe_worker.ran == {"first": 2, "second": 2, "last": 1}
    assert [ready(probe_worker.url, f"probes{kind}") for kind in ("", ".DQ", ".XQ")] == [0, 0, 0]


def poisoned(mark: str) -> None:
    raise Poisoned(f"{mark} cannot be read", reason="undecodable")


def test_what_can_never_succeed_is_buried_once_it_can_be(
    probe_worker: ProbeWorker,
) -> None:
    probe_worker.dead_letters.away = 1
    probe_worker.actor(poisoned).send("rotten")
    probe_worker.work()

    until(lambda: probe_worker.dead_letters.buried, "it is buried")
    probe_worker.close()
    assert probe_worker.dead_letters.buried == [
        ("probe", "undecodable", "Poisoned: rotten cannot be read")
    ]
    assert probe_worker.ran["rotten"] == 1
    assert ready(probe_worker.url, "probes") == 0


def test_what_could_not_be_buried_goes_back_to_its_queue(probe_worker: ProbeWorker) -> None:
    probe_worker.dead_letters.away = 100
    probe_worker.actor(poisoned).send("rotten")
    worker = probe_worker.work()
    until(lambda: probe_worker.dead_letters.away < 100, "it was tried to be kept")

    for thread in worker.consumers.values():
        until(lambda: isinstance(thread.consumer, QueueConsumer), "it consumes")  # noqa: B023 - awaited
        assert isinstance(thread.consumer, QueueConsumer)
        thread.consumer.settle_within = 0.1
    probe_worker.close()

    assert ready(probe_worker.url, "probes") == 1
    assert probe_worker.dead_letters.buried == []


def test_a_bug_is_tried_again_and_then_buried(probe_worker: ProbeWorker) -> None:
    def broken(mark: str) -> None:
        raise ZeroDivisionError(mark)

    probe_worker.actor(broken, max_retries=1).send("bug")
    probe_worker.work()

    until(lambda: probe_worker.dead_letters.buried, "it is buried")
    assert probe_worker.ran["bug"] == 2
    assert probe_worker.dead_letters.buried == [
        ("probe", "retries_exhausted", "ZeroDivisionError: bug")
    ]


def test_a_message_for_an_actor_we_do_not_have_is_buried(probe_worker: ProbeWorker) -> None:
    probe_worker.actor(nothing)
    newer = probe_worker.another_broker()
    dramatiq.actor(actor_name="newer", queue_name="probes", broker=newer)(nothing).send("early")
    newer.close()
    probe_worker.work()

    until(lambda: probe_worker.dead_letters.buried, "it is buried")
    assert probe_worker.dead_letters.buried[0][:2] == ("newer", "unknown_actor")
    assert ready(probe_worker.url, "probes.XQ") == 0


def test_a_message_that_kills_its_process_is_given_up_and_kept(probe_worker: ProbeWorker) -> None:
    probe_worker.actor(nothing)
    limited = Broker(url=probe_worker.url, middleware=[], delivery_limit=2)
    limited.declare_queue("probes", ensure=True)
    limited.close()
    probe_worker.broker.get_actor("probe").send("poison")

    deaths = 0
    while ready(probe_worker.url, "probes.XQ") == 0:
        assert deaths < 4
        done = subprocess.run(
            [sys.executable, "-m", "tests.integration.dies_of_it", probe_worker.url],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=False,
            timeout=PATIENCE,
        )
        assert done.returncode in {-signal.SIGKILL, 0}
        deaths += done.returncode == -signal.SIGKILL

    assert deaths == 3


def test_a_worker_that_stops_leaves_interrupted_messages_with_rabbitmq(
    probe_worker: ProbeWorker,
) -> None:
    @dramatiq.actor(queue_name="probes", broker=probe_worker.broker, notify_shutdown=True)
    async def sleeps(mark: str) -> None:
        probe_worker.ran[mark] += 1
        await asyncio.Event().wait()

    sleeps.send("interrupted")
    probe_worker.work()
    until(lambda: probe_worker.ran["interrupted"] == 1, "it is being processed")

    probe_worker.stop_working()

    assert ready(probe_worker.url, "probes") == 1
    assert ready(probe_worker.url, "probes.DQ") == 0

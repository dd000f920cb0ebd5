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
from orderbus.rabbitmq.consumer import Consumer
from tests.support.probe_worker import Workshop, nothing
from tests.support.rabbitmq_node import Node, ready
from tests.support.waiting import PATIENCE, until

ROOT = Path(__file__).resolve().parents[2]


def test_a_message_that_cannot_be_put_back_stays_where_it_is(
    rabbitmq_node: Node, workshop: Workshop
) -> None:
    let_go = threading.Event()

    def fails_once(mark: str) -> None:
        assert let_go.wait(PATIENCE)
        if workshop.ran[mark] == 1:
            raise Unavailable("not yet")

    actor = workshop.actor(fails_once)
    actor.send("kept")
    workshop.work()
    until(lambda: workshop.ran["kept"] == 1, "the message is being processed")
    rabbitmq_node.refuse_connections(on=True)
    workshop.broker._publisher.close()  # the next message needs a connection that is refused
    try:
        let_go.set()
        with pytest.raises(ConnectionClosed):
            actor.send("another")
    finally:
        rabbitmq_node.refuse_connections(on=False)

    until(lambda: workshop.ran["kept"] == 2, "it is tried again")
    workshop.close()
    assert workshop.desk.letters == []
    assert [ready(workshop.url, f"probes{kind}") for kind in ("", ".DQ", ".XQ")] == [0, 0, 0]


def test_a_retry_during_a_memory_alarm_is_made_once(
    rabbitmq_node: Node, workshop: Workshop
) -> None:
    let_go = threading.Event()

    def fails_once(mark: str) -> None:
        assert let_go.wait(PATIENCE)
        if workshop.ran[mark] == 1 and mark != "last":
            raise RuntimeError(mark)

    actor = workshop.actor(fails_once)
    for mark in ("first", "second"):
        actor.send(mark)
    workshop.work()
    until(lambda: workshop.ran.total() == 2, "both are being processed")
    rabbitmq_node.alarm(on=True)
    try:
        let_go.set()
        connection = workshop.broker._publisher._connection
        assert connection is not None
        until(lambda: connection.blocked, "RabbitMQ blocked the retries")
        enqueued = len(connection._unconfirmed)
        for _ in range(6):
            with pytest.raises(ConnectionClosed, match="alarm"):
                actor.send("refused at once")
        asked = len(connection._unconfirmed) - enqueued
    finally:
        rabbitmq_node.alarm(on=False)
    until(
        lambda: workshop.ran["first"] == 2 and workshop.ran["second"] == 2, "both were tried again"
    )
    actor.send("last")
    until(lambda: workshop.ran["last"] == 1, "later messages pass")
    workshop.close()

    assert asked == 0, "it was refused by ourselves"
    assert workshop.ran == {"first": 2, "second": 2, "last": 1}
    assert [ready(workshop.url, f"probes{kind}") for kind in ("", ".DQ", ".XQ")] == [0, 0, 0]


def poisoned(mark: str) -> None:
    raise Poisoned(f"{mark} cannot be read", reason="undecodable")


def test_what_can_never_succeed_is_buried_as_soon_as_the_desk_is_there(workshop: Workshop) -> None:
    workshop.desk.away = 1
    workshop.actor(poisoned).send("rotten")
    workshop.work()

    until(lambda: workshop.desk.letters, "it is buried")
    workshop.close()
    assert workshop.desk.letters == [("probe", "undecodable", "Poisoned: rotten cannot be read")]
    assert workshop.ran["rotten"] == 1
    assert ready(workshop.url, "probes") == 0


def test_what_could_not_be_buried_goes_back_to_its_queue(workshop: Workshop) -> None:
    workshop.desk.away = 100
    workshop.actor(poisoned).send("rotten")
    worker = workshop.work()
    until(lambda: workshop.desk.away < 100, "the desk was asked")

    for thread in worker.consumers.values():
        until(lambda: isinstance(thread.consumer, Consumer), "it consumes")  # noqa: B023 - awaited
        assert isinstance(thread.consumer, Consumer)
        thread.consumer.settle_within = 0.1
    workshop.close()

    assert ready(workshop.url, "probes") == 1
    assert workshop.desk.letters == []


def test_a_bug_is_tried_again_and_then_buried(workshop: Workshop) -> None:
    def broken(mark: str) -> None:
        raise ZeroDivisionError(mark)

    workshop.actor(broken, max_retries=1).send("bug")
    workshop.work()

    until(lambda: workshop.desk.letters, "it is buried")
    assert workshop.ran["bug"] == 2
    assert workshop.desk.letters == [("probe", "retries_exhausted", "ZeroDivisionError: bug")]


def test_a_message_for_an_actor_we_do_not_have_is_buried(workshop: Workshop) -> None:
    workshop.actor(nothing)
    newer = workshop.another_broker()
    dramatiq.actor(actor_name="newer", queue_name="probes", broker=newer)(nothing).send("early")
    newer.close()
    workshop.work()

    until(lambda: workshop.desk.letters, "it is buried")
    assert workshop.desk.letters[0][:2] == ("newer", "unknown_actor")
    assert ready(workshop.url, "probes.XQ") == 0


def test_a_message_that_kills_its_process_is_given_up_and_kept(workshop: Workshop) -> None:
    workshop.actor(nothing)
    limited = Broker(url=workshop.url, middleware=[], delivery_limit=2)
    limited.declare_queue("probes", ensure=True)
    limited.close()
    workshop.broker.get_actor("probe").send("poison")

    deaths = 0
    while ready(workshop.url, "probes.XQ") == 0:
        assert deaths < 4
        done = subprocess.run(
            [sys.executable, "-m", "tests.integration.dies_of_it", workshop.url],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=False,
            timeout=PATIENCE,
        )
        assert done.returncode in {-signal.SIGKILL, 0}
        deaths += done.returncode == -signal.SIGKILL

    assert deaths == 3


def test_a_worker_that_stops_leaves_interrupted_messages_with_rabbitmq(workshop: Workshop) -> None:
    @dramatiq.actor(queue_name="probes", broker=workshop.broker, notify_shutdown=True)
    async def sleeps(mark: str) -> None:
        workshop.ran[mark] += 1
        await asyncio.Event().wait()

    sleeps.send("interrupted")
    worker = workshop.work()
    until(lambda: workshop.ran["interrupted"] == 1, "it is being processed")

    worker.stop(timeout=5000)
    workshop._workers.clear()

    assert ready(workshop.url, "probes") == 1
    assert ready(workshop.url, "probes.DQ") == 0

"""RabbitMQ does its worst: nothing that it confirmed is lost, and every connection heals."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable
from typing import Any

import dramatiq
import pika
import pytest
from dramatiq.errors import ConnectionClosed

from orderbus.errors import Unavailable
from orderbus.rabbitmq import publisher
from orderbus.rabbitmq.broker import Broker
from orderbus.rabbitmq.connection import Connection, Outgoing
from tests.support.ports import kept_port
from tests.support.probe_worker import ProbeWorker, nothing
from tests.support.rabbitmq_node import Node, ready
from tests.support.waiting import PATIENCE, until

pytestmark = pytest.mark.once


def test_queues_are_replicated_and_nothing_dead_expires(
    rabbitmq_node: Node, probe_worker: ProbeWorker
) -> None:
    probe_worker.actor(nothing).send("first")

    arguments = rabbitmq_node.queues(probe_worker.url)

    assert set(arguments) == {"probes", "probes.DQ", "probes.XQ"}
    assert {each["x-queue-type"] for each in arguments.values()} == {"quorum"}
    assert arguments["probes"]["x-delivery-limit"] == 20
    assert arguments["probes"]["x-dead-letter-routing-key"] == "probes.XQ"
    assert [each for each in arguments.values() if "x-message-ttl" in each] == []


async def test_a_broker_killed_while_messages_are_sent_loses_none_it_confirmed(
    rabbitmq_node: Node, probe_worker: ProbeWorker
) -> None:
    actor = probe_worker.actor(nothing)
    confirmed: list[int] = []
    refused: list[int] = []

    async def send(first: int) -> None:
        batch = range(first, first + 20)
        try:
            await probe_worker.broker.put([actor.message(number) for number in batch])
        except Unavailable:
            refused.extend(batch)
            await asyncio.sleep(0.2)
        else:
            confirmed.extend(batch)

    killing = asyncio.create_task(
        asyncio.to_thread(_kill_when, rabbitmq_node, lambda: len(confirmed) > 400)
    )
    first = 0
    while not killing.done():
        await send(first)
        first += 20
    await killing
    while refused[-1:] == [first - 1]:
        await send(first)
        first += 20
    probe_worker.work()

    await asyncio.to_thread(
        until,
        lambda: set(confirmed) <= set(probe_worker.ran),
        "all that was confirmed is processed",
    )
    assert refused
    assert len(confirmed) > 400


def _kill_when(rabbitmq_node: Node, ripe: Callable[[], bool]) -> None:
    until(ripe, "enough was sent")
    rabbitmq_node.kill()
    rabbitmq_node.start()


def test_connections_closed_in_mid_run_heal(rabbitmq_node: Node, probe_worker: ProbeWorker) -> None:
    actor = probe_worker.actor(nothing)
    actor.send("before")
    probe_worker.work()
    until(lambda: probe_worker.ran["before"] == 1, "the worker works")

    rabbitmq_node.close_connections(probe_worker.url)
    until(lambda: _sends(actor, "after"), "messages can be sent again")
    until(lambda: probe_worker.ran["after"] >= 1, "the worker works again")


def _sends(actor: dramatiq.Actor[..., Any], mark: str) -> bool:
    try:
        actor.send(mark)
    except ConnectionClosed:
        return False
    return True


def test_a_message_of_a_lost_connection_does_not_acknowledge_another(
    rabbitmq_node: Node, probe_worker: ProbeWorker
) -> None:
    first, others = threading.Event(), threading.Event()
    finished = threading.Event()
    turns = itertools.count(1)

    def waits(_: str) -> None:
        if next(turns) > 1:
            assert others.wait(PATIENCE)
        else:
            assert first.wait(PATIENCE)
            finished.set()

    probe_worker.actor(waits).send("precious")
    probe_worker.work()
    until(lambda: probe_worker.ran["precious"] == 1, "it is being processed")
    rabbitmq_node.close_connections(probe_worker.url)
    until(lambda: probe_worker.ran["precious"] == 2, "RabbitMQ gave it out again")
    first.set()
    assert finished.wait(PATIENCE)
    # The second try has the first one's delivery tag: had that been taken for an acknowledgement,
    # the message would be gone now.
    rabbitmq_node.close_connections(probe_worker.url)

    until(lambda: probe_worker.ran["precious"] == 3, "RabbitMQ still had it")
    others.set()


def test_a_queue_deleted_behind_our_back_is_made_anew(probe_worker: ProbeWorker) -> None:
    actor = probe_worker.actor(nothing)
    actor.send("gone with its queue")
    connection = pika.BlockingConnection(pika.URLParameters(probe_worker.url))
    connection.channel().queue_delete("probes")
    connection.close()

    actor.send("sent anew")

    assert ready(probe_worker.url, "probes") == 1


def test_a_queue_with_other_properties_is_used_as_it_is(probe_worker: ProbeWorker) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(probe_worker.url))
    connection.channel().queue_declare("probes", durable=True)
    connection.close()

    probe_worker.actor(nothing).send("welcome")
    probe_worker.work()

    until(lambda: probe_worker.ran["welcome"] == 1, "it is processed")


def test_hints_may_be_sent_from_one_event_loop_after_another(probe_worker: ProbeWorker) -> None:
    actor = probe_worker.actor(nothing)

    for number in range(3):
        asyncio.run(probe_worker.broker.put([actor.message(number)]))

    assert ready(probe_worker.url, "probes") == 3


async def test_several_thousand_hints_are_confirmed_together(
    probe_worker: ProbeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "CONFIRM_WITHIN", PATIENCE)
    actor = probe_worker.actor(nothing)
    hints = [actor.message(number) for number in range(3000)]
    most, publish = 0, Connection.publish
    unconfirmed: list[asyncio.Future[None]] = []

    def counted(connection: Connection, message: Outgoing) -> asyncio.Future[None]:
        nonlocal most
        answer = publish(connection, message)
        unconfirmed[:] = [each for each in (*unconfirmed, answer) if not each.done()]
        most = max(most, len(unconfirmed))
        return answer

    monkeypatch.setattr(Connection, "publish", counted)
    await probe_worker.broker.put(hints)

    assert most == 3000, "none waits for the confirmation of another"
    assert await asyncio.to_thread(ready, probe_worker.url, "probes") == 3000


async def test_where_rabbitmq_is_away_callers_hear_it() -> None:
    away = Broker(url=f"amqp://guest:guest@127.0.0.1:{kept_port()}/", middleware=[])
    actor = dramatiq.actor(queue_name="probes", broker=away)(nothing)

    with pytest.raises(Unavailable, match="RabbitMQ did not answer"):
        await away.put([actor.message(1)])
    with pytest.raises(Unavailable, match="RabbitMQ did not answer"):
        await away.ping()
    with pytest.raises(ConnectionClosed):
        await asyncio.to_thread(actor.send, 1)

    away.close()

"""What RabbitMQ and Pub/Sub gave up themselves is a dead letter before they forget it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pika
import pytest
from google.api_core import exceptions

from orderbus import services
from orderbus.actors import bridge, given_up
from orderbus.errors import BadMessage, Unavailable
from orderbus.pubsub import channels, topology
from orderbus.pubsub.dead_letter_topic import open_dead_letter_topic
from orderbus.rabbitmq import validation
from orderbus.rabbitmq.broker import Broker
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.support import consumption_rows, hostile_messages, letter_rows
from tests.support.rabbitmq_node import ready, until_async
from tests.support.waiting import until_true
from tests.support.worker_process import Start

QUEUE = "probes"


@pytest.fixture
def queues(rabbitmq_url: str) -> Iterator[Broker]:
    """A broker with one queue on a virtual host of its own."""
    broker = Broker(url=rabbitmq_url, middleware=[])
    broker.declare_queue(QUEUE, ensure=True)
    yield broker
    broker.close()


def put(url: str, queue: str, *bodies: bytes, **properties: Any) -> None:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for body in bodies:
            about = pika.BasicProperties(**properties)
            channel.basic_publish("", queue, body, about, mandatory=True)


def reject(url: str, queue: str) -> None:
    """Take the next message and refuse it, as another version may do."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        method, _, _ = channel.basic_get(queue)
        assert method is not None
        channel.basic_nack(method.delivery_tag, requeue=False)


async def in_dead_queue(url: str, count: int, queue: str = QUEUE) -> None:
    await until_async(lambda: ready(url, f"{queue}.XQ") == count, f"{count} are in the dead queue")


async def test_whatever_brought_a_message_into_a_dead_queue_it_becomes_a_dead_letter(
    database: Database, queues: Broker, rabbitmq_url: str
) -> None:
    of_another_version = hostile_messages.message(
        args=[1], options={"traceback": "Traceback ...", "retries": 20, "max_retries": 20}
    )
    put(rabbitmq_url, QUEUE, hostile_messages.message(args=["rejected"]))
    reject(rabbitmq_url, QUEUE)
    await in_dead_queue(rabbitmq_url, 1)
    put(rabbitmq_url, QUEUE, hostile_messages.message(args=["expired"]), expiration="1")
    await in_dead_queue(rabbitmq_url, 2)
    put(rabbitmq_url, f"{QUEUE}.XQ", of_another_version, headers={"sent-by": "somebody"})

    await given_up.keep_from_rabbitmq(database, queues)

    letters = await letter_rows.every(database)
    assert [letter["reason"] for letter in letters] == ["rejected", "expired", "dead_queue"]
    assert [letter["arguments"]["args"] for letter in letters] == [["rejected"], ["expired"], [1]]
    assert {(letter["kind"], letter["actor"]) for letter in letters} == {("message", "probe")}
    assert bytes(letters[2]["data"]) == of_another_version
    assert letters[2]["attributes"]["sent-by"] == "somebody"
    assert "x-death" in letters[0]["attributes"]
    await in_dead_queue(rabbitmq_url, 0)
    async with database.transaction() as connection:
        owed = await services.dead_letters.redrive(connection, letters[2]["id"])
    assert owed.message == ("probe", {"args": [1], "kwargs": {}})


def is_readable(body: bytes) -> bool:
    try:
        return bool(validation.read(body))
    except BadMessage:
        return False


async def test_hostile_messages_in_a_dead_queue_are_kept_with_their_bytes_and_stop_no_other(
    database: Database, queues: Broker, rabbitmq_url: str
) -> None:
    bodies = [*hostile_messages.MESSAGES.values(), b"x" * 1_048_576, b"\x00\xff"]
    put(rabbitmq_url, f"{QUEUE}.XQ", *bodies, headers={"a\0b": "c\0d", "n": [{"deep": 1}]})
    put(rabbitmq_url, f"{QUEUE}.XQ", hostile_messages.message(args=["last"]))

    await given_up.keep_from_rabbitmq(database, queues)

    letters = await letter_rows.every(database)
    kept = {bytes(letter["data"]) for letter in letters}
    # Those that can be read have one id and the same arguments: it is one message.
    assert {body for body in bodies if not is_readable(body)} <= kept
    assert letters[-1]["arguments"]["args"] == ["last"]
    await in_dead_queue(rabbitmq_url, 0)


async def test_a_message_leaves_a_dead_queue_only_once_its_row_is_committed(
    database: Database, queues: Broker, rabbitmq_url: str
) -> None:
    put(rabbitmq_url, f"{QUEUE}.XQ", b"one", b"two")

    async with letter_rows.locked_table(database):
        with pytest.raises(Unavailable):
            await given_up.keep_from_rabbitmq(database, queues)
    await in_dead_queue(rabbitmq_url, 2)
    assert await letter_rows.count(database) == 0

    await given_up.keep_from_rabbitmq(database, queues)

    assert [bytes(each["data"]) for each in await letter_rows.every(database)] == [b"one", b"two"]
    await in_dead_queue(rabbitmq_url, 0)


async def test_whoever_dies_between_the_row_and_the_acknowledgement_leaves_one_row(
    database: Database, queues: Broker, rabbitmq_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(rabbitmq_url, f"{QUEUE}.XQ", b"one")
    add = services.dead_letters.add_messages

    async def add_and_die(*given: Any) -> None:
        await add(*given)
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(services.dead_letters, "add_messages", add_and_die)
        with pytest.raises(ZeroDivisionError):
            await given_up.keep_from_rabbitmq(database, queues)
    await in_dead_queue(rabbitmq_url, 1)
    await given_up.keep_from_rabbitmq(database, queues)

    assert await letter_rows.count(database) == 1
    await in_dead_queue(rabbitmq_url, 0)


async def test_several_who_look_at_once_share_what_is_there(
    database: Database, queues: Broker, rabbitmq_url: str
) -> None:
    other = Broker(url=rabbitmq_url, middleware=[])
    other.declare_queue(QUEUE)
    bodies = [f"{number}".encode() for number in range(90)]
    put(rabbitmq_url, f"{QUEUE}.XQ", *bodies)

    both = [given_up.keep_from_rabbitmq(database, each) for each in (queues, other)]
    await asyncio.gather(*both)
    other.close()

    kept = [bytes(letter["data"]) for letter in await letter_rows.every(database)]
    assert sorted(kept) == sorted(bodies)
    await in_dead_queue(rabbitmq_url, 0)


async def test_the_dead_queue_of_a_consumer_whose_code_is_gone_is_emptied_too(
    database: Database, queues: Broker, rabbitmq_url: str
) -> None:
    await consumption_rows.add(database, "gone", "gone", "never_declared")
    before = Broker(url=rabbitmq_url, middleware=[])
    before.declare_queue("gone", ensure=True)
    before.close()
    put(rabbitmq_url, "gone.XQ", b"of the consumer that is gone")

    await given_up.keep_from_rabbitmq(database, queues)

    letter = await letter_rows.only(database)
    assert bytes(letter["data"]) == b"of the consumer that is gone"
    await in_dead_queue(rabbitmq_url, 0, "gone")


async def test_a_dead_queue_that_is_not_there_is_no_fault(
    database: Database, queues: Broker, rabbitmq_url: str
) -> None:
    with pika.BlockingConnection(pika.URLParameters(rabbitmq_url)) as connection:
        connection.channel().queue_delete(f"{QUEUE}.XQ")

    await given_up.keep_from_rabbitmq(database, queues)

    assert await letter_rows.count(database) == 0


async def test_a_real_worker_empties_the_dead_queues(
    database: Database, start: Start, queues: Broker, rabbitmq_url: str
) -> None:
    queues.declare_queue("deliver_webhook", ensure=True)
    put(rabbitmq_url, "deliver_webhook.XQ", b"given up by whomever")
    start("--processes", "1", "--threads", "2")

    async def is_kept() -> bool:
        return await letter_rows.count(database) == 1

    await until_true(is_kept, "it is a dead letter")
    await in_dead_queue(rabbitmq_url, 0, "deliver_webhook")


async def give_up(settings: Settings, data: bytes, attributes: Mapping[str, str]) -> None:
    """Publish a message, and let Pub/Sub itself move it to the dead-letter topic."""
    publisher, google = channels.publisher(settings), channels.subscriber(settings)
    topic, path = topology.topic_path(settings), topology.subscription_path(settings)
    dead = f"{topic}.dead-letter"
    policy = {"dead_letter_topic": dead, "max_delivery_attempts": 5}
    for name in (topic, dead):
        publisher.create_topic(name=name)
    google.create_subscription(request={"name": path, "topic": topic, "dead_letter_policy": policy})
    await topology.ensure(settings)
    publisher.publish(topic, data, **attributes).result()
    for _ in range(5):
        ack_ids: list[str] = []
        while not ack_ids:
            with suppress(exceptions.DeadlineExceeded):
                pulled = google.pull(subscription=path, max_messages=1, timeout=5, retry=None)
                ack_ids = [each.ack_id for each in pulled.received_messages]
        google.modify_ack_deadline(subscription=path, ack_ids=ack_ids, ack_deadline_seconds=0)
    publisher.transport.close()
    google.close()


async def test_what_pubsub_gave_up_is_a_dead_letter_of_the_bridge(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(given_up, "LOOKS", timedelta(seconds=0.1))
    await give_up(settings, b"\xff\x00", {"ce-id": "7", "sequence": "1"})
    stop = asyncio.Event()
    running = asyncio.create_task(bridge.run(settings, database, stop=stop))

    async def is_kept() -> bool:
        return await letter_rows.count(database) == 1

    await until_true(is_kept, "it is a dead letter")
    stop.set()
    await running

    letter = await letter_rows.only(database)
    assert (letter["kind"], letter["reason"]) == ("pubsub", "given_up_by_pubsub")
    assert bytes(letter["data"]) == b"\xff\x00"
    assert letter["attributes"]["ce-id"] == "7"
    assert "5 deliveries" in letter["error"]
    async with database.transaction() as connection:
        owed = await services.dead_letters.redrive(connection, letter["id"])
    assert owed.publication is not None
    assert owed.publication.data == b"\xff\x00"


async def publish_dead(settings: Settings, *datas: bytes, **attributes: str) -> None:
    await topology.ensure(settings)
    publisher = channels.publisher(settings)
    for data in datas:
        publisher.publish(
            f"{topology.topic_path(settings)}.dead-letter", data, **attributes
        ).result()
    publisher.transport.close()


async def test_what_pubsub_gave_up_is_acknowledged_only_once_its_row_is_committed(
    database: Database, settings: Settings
) -> None:
    await publish_dead(settings, b"x" * 1_048_576, b"", a="b\0c")

    async with open_dead_letter_topic(settings) as topic:
        taken: list[Any] = []
        while len(taken) < 2:
            taken += await topic.take(9)
        await services.dead_letters.add_given_up(database, taken)
        await services.dead_letters.add_given_up(database, taken)  # it came again
        assert await letter_rows.count(database) == 2

        await topic.acknowledge(taken)
        await given_up.keep_from_pubsub(database, topic)

    assert await letter_rows.count(database) == 2
    assert {len(letter["data"]) for letter in await letter_rows.every(database)} == {0, 1_048_576}


async def test_nothing_is_taken_from_a_pubsub_without_the_subscription(settings: Settings) -> None:
    async with open_dead_letter_topic(settings) as topic:
        with pytest.raises(Unavailable):
            await topic.take(9)

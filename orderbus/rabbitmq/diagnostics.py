"""Examines RabbitMQ and our queues for an operator; no order needs what is asked here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import dramatiq
import pika

from orderbus.errors import Denied, Misconfigured, Unavailable
from orderbus.rabbitmq.broker import Broker
from orderbus.rabbitmq.connection import Queue, refusal

#: Seconds after which a connection that was told of an alarm is given up.
_BLOCKED_FOR: Final = 1.0


@dataclass(frozen=True, slots=True)
class Seen:
    """One queue: how many messages wait, how many workers take them, and what is wrong with it."""

    name: str
    is_there: bool = False
    waiting: int = 0
    workers: int = 0
    differs: str = ""


@dataclass(frozen=True, slots=True)
class Examined:
    """What RabbitMQ told."""

    version: str
    has_alarm: bool
    queues: Sequence[Seen]


def longest_held(broker: dramatiq.Broker) -> timedelta:
    """Say how long a worker may hold a message before it acknowledges it."""
    limits = (broker.get_actor(name).options["time_limit"] for name in broker.get_declared_actors())
    return timedelta(milliseconds=max(limits))


def examine(broker: Broker) -> Examined:
    """Ask RabbitMQ for its version, its alarms and our queues; changes nothing.

    Raises ``Unavailable``, and ``Misconfigured`` where it refuses us.
    """
    names = sorted(broker.get_declared_queues())
    with _connected(broker) as connection:
        version = str(connection._impl.server_properties["version"])  # noqa: SLF001 - pika shows it nowhere else
        queues = [_look(connection, queue) for name in names for queue in broker.needed(name)]
        return Examined(version, _has_alarm(connection), queues)


@contextmanager
def _connected(broker: Broker) -> Iterator[pika.BlockingConnection]:
    parameters = copy(broker.parameters)
    # One that has an alarm reads nothing more, not even that we are leaving.
    parameters.blocked_connection_timeout = _BLOCKED_FOR
    try:
        connection = pika.BlockingConnection(parameters)
    except (pika.exceptions.AMQPError, OSError) as error:
        found = refusal(error)
        if isinstance(found, Denied):
            raise Misconfigured(str(found)) from error
        raise found from error
    try:
        yield connection
    except pika.exceptions.AMQPError as error:
        raise Unavailable(f"RabbitMQ went away: {error}") from error
    finally:
        with suppress(pika.exceptions.AMQPError):
            connection.close()


def _look(connection: pika.BlockingConnection, queue: Queue) -> Seen:
    channel: Any = connection.channel()
    try:
        found = channel.queue_declare(queue.name, passive=True).method
    except pika.exceptions.ChannelClosedByBroker:
        return Seen(queue.name)
    differs = ""
    try:
        channel.queue_declare(queue.name, durable=True, arguments=dict(queue.arguments))
        channel.close()
    except pika.exceptions.ChannelClosedByBroker as error:
        differs = error.reply_text
    return Seen(queue.name, True, found.message_count, found.consumer_count, differs)  # noqa: FBT003


def _has_alarm(connection: pika.BlockingConnection) -> bool:
    """Publish into nowhere: only a publisher is kept from publishing."""
    channel = connection.channel()
    channel.confirm_delivery()
    try:
        for _ in range(2):  # the first one is answered all the same
            with suppress(pika.exceptions.UnroutableError):
                channel.basic_publish("", "orderbus.nowhere", b"", mandatory=True)
    except pika.exceptions.ConnectionBlockedTimeout:
        return True
    return False

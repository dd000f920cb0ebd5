"""How does work get onto RabbitMQ and off it again, so that none is lost and none is copied?

Dramatiq's broker with what measuring asked for: quorum queues, confirms, no expiry of what failed
for good, and no second copy of a message that a blocked broker may still take.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, Final

import dramatiq
import pika
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.common import current_millis, dq_name, q_name, xq_name
from dramatiq.errors import ActorNotFound, ConnectionClosed
from dramatiq.middleware import AsyncIO, ShutdownNotifications, TimeLimit

from orderbus import settings as settings_module
from orderbus.actors.boot import Boot
from orderbus.actors.middleware import Counting, Retries
from orderbus.errors import Conflict, Unavailable

#: Deliveries of one message after which RabbitMQ gives it up. A last resort: it also counts
#: messages that were only prefetched when a connection closed. What is poison is decided by claim
#: counts in PostgreSQL, and a hint that was given up is simply hinted again.
DELIVERY_LIMIT: Final = 20
#: Connections that enqueue for async code; each waits for its confirms.
_ENQUEUERS: Final = 4
_ATTEMPTS: Final = 3


class Broker(RabbitmqBroker):
    """RabbitMQ, connected when first used, with queues that keep what they were given."""

    def __init__(self) -> None:
        """Read no settings yet: importing the actors must work without any."""
        super().__init__(
            confirm_delivery=True,
            middleware=[
                AsyncIO(),
                Boot(),
                TimeLimit(),
                ShutdownNotifications(),
                Retries(),
                Counting(),
            ],
        )
        del self.parameters  # what Dramatiq made of no URL; ours are read when first asked for

    @cached_property
    def parameters(self) -> pika.URLParameters:  # type: ignore[override]
        """Where RabbitMQ is; gives a blocked or silent broker up after a few seconds."""
        url = settings_module.load().rabbitmq_url.get_secret_value()
        parameters = pika.URLParameters(url)
        parameters.heartbeat = 30
        parameters.blocked_connection_timeout = 5
        parameters.socket_timeout = 5
        parameters.stack_timeout = 10
        parameters.client_properties = {"connection_name": "orderbus"}
        return parameters

    def _build_queue_arguments(self, queue_name: str) -> dict[str, Any]:
        return {
            "x-queue-type": "quorum",
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": xq_name(queue_name),
        }

    def _declare_xq_queue(self, queue_name: str) -> object:
        return self.channel.queue_declare(
            queue=xq_name(queue_name), durable=True, arguments={"x-queue-type": "quorum"}
        )

    def enqueue(
        self, message: dramatiq.Message[Any], *, delay: int | None = None
    ) -> dramatiq.Message[Any]:
        """Put a message on its queue and wait for RabbitMQ's confirmation.

        Raises ``ConnectionClosed`` when it was not confirmed. A connection found closed is made
        anew; one that RabbitMQ blocks is not, since what was sent on it may still be taken.
        """
        queue_name = q_name(message.queue_name)
        target = queue_name
        if delay is not None:
            target = dq_name(queue_name)
            eta = current_millis() + delay
            message = message.copy(queue_name=target, options={"eta": eta})
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self.declare_queue(queue_name, ensure=True)
                self.emit_before("enqueue", message, delay)
                self.channel.basic_publish(
                    exchange="",
                    routing_key=target,
                    body=message.encode(),
                    properties=pika.BasicProperties(delivery_mode=2),
                    mandatory=True,
                )
                self.emit_after("enqueue", message, delay)
            except (pika.exceptions.AMQPError, OSError) as error:
                del self.connection
                if isinstance(error, pika.exceptions.UnroutableError):
                    self.queues_pending.add(queue_name)
                blocked = isinstance(error, pika.exceptions.ConnectionBlockedTimeout)
                if blocked or attempt == _ATTEMPTS:
                    raise ConnectionClosed(error) from error  # type: ignore[no-untyped-call]
            else:
                return message
        raise AssertionError  # the last attempt returned or raised


broker: Final = Broker()
dramatiq.set_broker(broker)

_threads: Final = ThreadPoolExecutor(_ENQUEUERS, thread_name_prefix="enqueue")


async def enqueue_deliveries(deliveries: Sequence[int]) -> None:
    """Hint at deliveries.

    Raises ``Unavailable``; some may have been hinted then, which is harmless.
    """
    actor = broker.get_actor("deliver_webhook")
    await _enqueue([actor.message(delivery) for delivery in deliveries])


async def enqueue_publish_outbox(count: int) -> None:
    """Ask for ``count`` batches of the outbox to be published. Raises ``Unavailable``."""
    actor = broker.get_actor("publish_outbox")
    await _enqueue([actor.message() for _ in range(count)])


async def enqueue_message(actor: str, arguments: Mapping[str, Any]) -> None:
    """Send a message anew that had failed for good. Raises ``Unavailable``, ``Conflict``."""
    try:
        found = broker.get_actor(actor)
    except ActorNotFound as error:
        raise Conflict(f"There is no actor {actor} in this version") from error
    await _enqueue([found.message_with_options(args=arguments["args"], kwargs=arguments["kwargs"])])


async def ping() -> None:
    """Return when RabbitMQ answers; raises ``Unavailable`` when it does not."""
    await _in_thread(_ping)


async def _enqueue(messages: Sequence[dramatiq.Message[Any]]) -> None:
    """Enqueue from async code: pika blocks, and keeps a connection for each thread."""
    shares = [messages[start::_ENQUEUERS] for start in range(min(_ENQUEUERS, len(messages)))]
    await asyncio.gather(*(_in_thread(_enqueue_all, share) for share in shares))


async def _in_thread(call: Any, *arguments: object) -> None:  # noqa: ANN401 - any callable
    try:
        await asyncio.get_running_loop().run_in_executor(_threads, call, *arguments)
    except (ConnectionClosed, pika.exceptions.AMQPError, OSError) as error:
        reason = str(error) or type(error).__name__
        raise Unavailable(f"RabbitMQ did not answer: {reason}") from error


def _enqueue_all(messages: Sequence[dramatiq.Message[Any]]) -> None:
    for message in messages:
        broker.enqueue(message)


def _ping() -> None:
    try:
        broker.connection.process_data_events(0)
        with broker.connection.channel():
            pass
    except BaseException:
        del broker.connection
        raise

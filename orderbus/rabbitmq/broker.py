"""The broker: work gets onto RabbitMQ and off it again, none lost and none copied."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, suppress
from datetime import timedelta
from functools import cached_property
from threading import Event, Thread
from typing import Any, Final

import dramatiq
import pika
from dramatiq import Middleware
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.common import current_millis, dq_name, q_name, xq_name
from dramatiq.errors import ConnectionClosed

from orderbus import settings as settings_module
from orderbus import waiting
from orderbus.domain import retries
from orderbus.errors import Unavailable
from orderbus.rabbitmq import dead_queues
from orderbus.rabbitmq.connection import Outgoing, Queue
from orderbus.rabbitmq.consumer import QueueConsumer
from orderbus.rabbitmq.dead_queues import Dead
from orderbus.rabbitmq.publisher import CONFIRM_WITHIN, Publisher

#: Deliveries of one message after which RabbitMQ gives it up. A last resort: it also counts
#: messages that were only prefetched when a connection closed. What is poison is decided by claim
#: counts in PostgreSQL, and no wake-up message is missed: workers also look by themselves.
DELIVERY_LIMIT: Final = 20
#: The same for a message that waits for its next try. It is only held there, never processed, so
#: nothing can be learned from how often; but RabbitMQ 4 has a limit of its own where none is set.
_HOLDING_LIMIT: Final = 1_000_000
#: How long a consumer looks for RabbitMQ before it says that it is away.
_QUIETLY: Final = timedelta(seconds=30)


class Broker(RabbitmqBroker):
    """RabbitMQ, connected when first used: quorum queues, confirms, one connection that sends."""

    consumer_class = QueueConsumer

    def __init__(
        self,
        *,
        middleware: Sequence[Middleware],
        url: str | None = None,
        delivery_limit: int = DELIVERY_LIMIT,
    ) -> None:
        """Read no settings yet: importing the actors must work without any."""
        self._url = url
        self._delivery_limit = delivery_limit
        #: Open while messages may be processed: everything they need is there.
        self.gate = Event()
        self.gate.set()
        #: Set when the worker ends, for those who wait for something.
        self.stopping = Event()
        self._publisher = Publisher(lambda: self.parameters, self.needed)
        super().__init__(confirm_delivery=True, middleware=list(middleware))
        del self.parameters  # what Dramatiq made of no URL; ours are read when first asked for

    @cached_property
    def parameters(self) -> pika.URLParameters:  # type: ignore[override]
        """Where RabbitMQ is; a connection that is silent for two heartbeats is given up."""
        url = self._url or settings_module.load().rabbitmq_url.get_secret_value()
        parameters = pika.URLParameters(url)
        parameters.heartbeat = 15
        parameters.socket_timeout = 5
        parameters.stack_timeout = 10
        parameters.client_properties = {"connection_name": "orderbus"}
        return parameters

    @property
    def sender(self) -> Thread | None:
        """The thread that sends, once there was something to send."""
        return self._publisher.thread

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> dramatiq.Consumer:
        """Begin to take messages; looks for RabbitMQ for a while before it says it is away."""
        with suppress(Unavailable):
            waiting.block_until_it_works(
                lambda: self._publisher.call(self._publisher.reach()).result(),
                retries.RABBITMQ_CONSUMER,
                within=_QUIETLY,
                stop=self.stopping,
            )
        return super().consume(queue_name, prefetch, timeout)

    def enqueue(
        self, message: dramatiq.Message[Any], *, delay: int | None = None
    ) -> dramatiq.Message[Any]:
        """Put a message on its queue and wait for the confirmation; raises ``ConnectionClosed``."""
        message = self._delayed(message, delay)
        try:
            self._publisher.call(self._publish([message], delay, CONFIRM_WITHIN)).result()
        except Unavailable as error:
            raise ConnectionClosed(error) from error  # type: ignore[no-untyped-call]
        return message

    async def put(
        self,
        messages: Sequence[dramatiq.Message[Any]],
        *,
        delay: int | None = None,
        within: float | None = CONFIRM_WITHIN,
    ) -> None:
        """Do what ``enqueue`` does from async code, for many together; raises ``Unavailable``.

        ``delay`` is in milliseconds. ``within`` None waits as long as RabbitMQ may still take them.
        """
        delayed = [self._delayed(message, delay) for message in messages]
        await asyncio.wrap_future(self._publisher.call(self._publish(delayed, delay, within)))

    async def ping(self) -> None:
        """Return when RabbitMQ answers; raises ``Unavailable`` when it does not."""
        await asyncio.wrap_future(self._publisher.call(self._publisher.ping()))

    def dead_messages(self, queue_name: str) -> AbstractAsyncContextManager[list[Dead]]:
        """Take what is in the dead queue of a queue, see ``dead_queues.taken``."""
        return dead_queues.taken(self._publisher, xq_name(queue_name))

    def close(self) -> None:
        """Close all connections."""
        self._publisher.close()
        super().close()

    async def _publish(
        self, messages: Sequence[dramatiq.Message[Any]], delay: int | None, within: float | None
    ) -> None:
        """Run on the publisher's thread: Dramatiq's hooks around the sending."""
        for message in messages:
            self.emit_before("enqueue", message, delay)
        outgoing = [
            Outgoing(message.queue_name, message.encode(), message.message_id)
            for message in messages
        ]
        await self._publisher.publish(outgoing, within=within)
        for message in messages:
            self.emit_after("enqueue", message, delay)

    def _delayed(self, message: dramatiq.Message[Any], delay: int | None) -> dramatiq.Message[Any]:
        self.declare_queue(message.queue_name)
        if delay is None:
            return message
        eta = current_millis() + delay
        return message.copy(queue_name=dq_name(message.queue_name), options={"eta": eta})

    def needed(self, queue_name: str) -> list[Queue]:
        """List the three queues that a queue is made of."""
        name = q_name(queue_name)
        limits = {name: self._delivery_limit, dq_name(name): _HOLDING_LIMIT}
        kept = {
            "x-queue-type": "quorum",
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": xq_name(name),
        }
        return [
            # The last one first: nothing may be dead-lettered into nowhere.
            Queue(xq_name(name), {"x-queue-type": "quorum"}),
            *(Queue(each, {**kept, "x-delivery-limit": limit}) for each, limit in limits.items()),
        ]

    def _ensure_queue(self, canonical_queue_name: str) -> None:
        anew = canonical_queue_name in self.queues_pending
        try:
            self._publisher.call(self._publisher.declare(canonical_queue_name, anew=anew)).result()
        except Unavailable as error:
            raise ConnectionClosed(error) from error  # type: ignore[no-untyped-call]
        self.queues_pending.discard(canonical_queue_name)

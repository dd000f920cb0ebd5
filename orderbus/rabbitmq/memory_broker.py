"""Queues in the worker's memory, and lost with it: PostgreSQL has what the messages wake up for."""

# Dramatiq's stub broker, which this extends, has no types.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import time
from collections.abc import Sequence
from threading import Event
from typing import Any, Final

import dramatiq
from dramatiq import Middleware
from dramatiq.broker import MessageProxy
from dramatiq.brokers.stub import StubBroker, _StubConsumer

from orderbus.errors import Unavailable
from orderbus.rabbitmq.broker import Broker
from orderbus.rabbitmq.consumer import QueueMessage

#: Seconds between two looks at a gate that is closed.
_LOOK_AGAIN: Final = 0.05


class MemoryBroker(StubBroker):
    """Queues for the worker of this process alone; takes messages as RabbitMQ's broker does."""

    #: There is no thread that sends.
    sender: Final = None

    def __init__(self, middleware: Sequence[Middleware]) -> None:
        #: Open while messages may be processed: everything they need is there.
        self.gate = Event()
        self.gate.set()
        #: Set when the worker ends.
        self.stopping = Event()
        self._has_worker = Event()
        super().__init__(list(middleware))

    def emit_before(self, signal: str, *args: object, **options: object) -> None:
        """Notice, too, that this process becomes a worker."""
        super().emit_before(signal, *args, **options)
        if signal == "worker_boot":
            self._has_worker.set()

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 100) -> dramatiq.Consumer:
        """Begin to take messages."""
        return _Consumer(self, self.queues[queue_name], prefetch, timeout)

    async def put(
        self,
        messages: Sequence[dramatiq.Message[Any]],
        *,
        delay: int | None = None,
        within: float | None = None,  # noqa: ARG002 - nothing is waited for here
    ) -> None:
        """Put messages on their queues; raises ``Unavailable`` in a process that is no worker."""
        await self.ping()
        for message in messages:
            self.enqueue(message, delay=delay)

    async def ping(self) -> None:
        """Return if a worker of this process takes the messages; raises ``Unavailable``."""
        if not self._has_worker.is_set():
            raise Unavailable("The queues are inside the worker: only the worker reaches them")


#: What a worker may take its messages from.
AnyBroker = Broker | MemoryBroker


class _Consumer(_StubConsumer):
    """Waits at the gate, and gives a message's place free when it is settled."""

    def __init__(self, broker: MemoryBroker, queue: Any, prefetch: int, timeout: int) -> None:  # noqa: ANN401
        super().__init__(queue, [], prefetch, timeout)
        self._broker = broker

    def __next__(self) -> QueueMessage | None:
        """Hand out a message, or None after a while without one."""
        if not self._broker.gate.is_set():
            time.sleep(_LOOK_AGAIN)
            return None
        message = super().__next__()
        return None if message is None else QueueMessage(message._message)  # noqa: SLF001 - as it was sent

    def ack(self, message: MessageProxy) -> None:
        """Forget a message as soon as it is settled."""
        if message.settled is None:
            super().ack(message)
        else:
            message.settled.add_done_callback(lambda _: super(_Consumer, self).ack(message))

    def nack(self, message: MessageProxy) -> None:
        """Forget it too: what it woke up for is in PostgreSQL."""
        self.ack(message)

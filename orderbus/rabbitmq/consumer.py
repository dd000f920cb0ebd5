"""Takes messages from RabbitMQ, and acknowledges them when what became of them is settled.

Settled means: the retry is confirmed, or the dead letter written. Until then the message stays with
RabbitMQ, unacknowledged, and no thread waits for it.
"""

# Dramatiq's RabbitMQ consumer, which this extends, has no types.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import time
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final

import dramatiq
import pika
from dramatiq.broker import MessageProxy
from dramatiq.brokers.rabbitmq import RabbitmqBroker, _RabbitmqConsumer, _RabbitmqMessage
from dramatiq.errors import ConnectionClosed

from orderbus.errors import BadMessage
from orderbus.rabbitmq import validation

#: Seconds between two looks at a gate that is closed.
_LOOK_AGAIN: Final = 0.2


class _Lenient(pika.BasicProperties):  # type: ignore[misc]
    """Properties of a message as far as they can be read: orderbus needs none of them.

    Senders may add any, and pika gives its connection up where it cannot read one: the message then
    comes again, with the same end, and those behind it wait.
    """

    def decode(self, encoded: bytes, offset: int = 0) -> Any:  # noqa: ANN401 - pika has no types
        """Stop at what cannot be read: a moment after the year 9999, tables without end."""
        with suppress(Exception):
            super().decode(encoded, offset)
        return self


pika.spec.props[pika.BasicProperties.INDEX] = _Lenient


class QueueMessage(MessageProxy):
    """A message as its queue handed it out, once."""

    def __init__(self, message: dramatiq.Message[Any]) -> None:
        super().__init__(message)
        #: What its acknowledgement waits for; cancelled where it is to be given out again.
        self.settled: Future[None] | None = None
        #: The bytes of a message that must not be acted on.
        self.refused: bytes | None = None

    @property
    def is_ours(self) -> bool:
        """Whether the queue still takes it for ours; if not, it gives it out again."""
        return True

    def leave(self) -> None:
        """Neither acknowledge nor refuse it: the queue gives it out again when we are gone."""
        self.settled = Future()
        self.settled.cancel()


class _Taken(_RabbitmqMessage, QueueMessage):
    """A message and who took it: its tag means nothing to anybody else."""

    def __init__(self, consumer: QueueConsumer, *what: Any) -> None:  # noqa: ANN401 - untyped
        super().__init__(*what)
        self.consumer = consumer

    @property
    def is_ours(self) -> bool:
        return bool(self.consumer.connection.is_open)


class QueueConsumer(_RabbitmqConsumer):
    """Dramatiq's consumer, which waits at the broker's gate and for what is not settled."""

    #: Seconds a closing consumer waits for what is being settled; the rest is given out again.
    settle_within = 5.0

    def __init__(
        self, broker: RabbitmqBroker, queue_name: str, prefetch: int, timeout: int
    ) -> None:
        """Connect. Raises ``ConnectionClosed``."""
        try:
            super().__init__(broker, queue_name, prefetch, timeout)
        except OSError as error:  # a name that does not resolve, for one
            raise ConnectionClosed(error) from error
        self._unsettled: set[Future[None]] = set()
        self.iterator = map(self._judged, self.iterator)

    def __next__(self) -> QueueMessage | None:
        """Hand out a message, or None after a while without one."""
        if not self.broker.gate.is_set():
            try:  # to stay connected, and take nothing
                self.connection.process_data_events(time_limit=_LOOK_AGAIN)
            except pika.exceptions.AMQPError as error:
                raise ConnectionClosed(error) from error
            return None
        taken = super().__next__()
        if taken is None:
            return None
        return _Taken(self, taken.redelivered, taken._tag, taken._message)  # noqa: SLF001

    def _judged(self, came: tuple[Any, Any, bytes]) -> tuple[Any, Any, Any]:
        """Let pass what may be acted on; the rest is buried, and nothing came."""
        method, _, body = came
        if method is None:
            return came
        try:
            validation.check(body, self.queue_name, self.broker.actors)
        except BadMessage as refusal:
            message = refusal.message or validation.stand_in(body, self.queue_name)
            tag = method.delivery_tag
            judged = _Taken(self, method.redelivered, tag, message)
            judged.refused = body
            self.known_tags.add(tag)
            judged.stuff_exception(refusal)
            self.broker.emit_before("nack", judged)  # where ``Retries`` buries it
            self.nack(judged)
            return None, None, None
        return came

    def ack(self, message: MessageProxy) -> None:
        """Acknowledge a message as soon as it is settled."""
        if message.consumer is not self:
            # Taken on a connection that is gone: RabbitMQ gives it out again, and its tag now
            # belongs to another message.
            self.logger.info("Message %s came from a lost connection.", message.message_id)
        elif message.settled is None:
            super().ack(message)
        else:
            self._unsettled.add(message.settled)
            message.settled.add_done_callback(lambda settled: self._close_case(message, settled))

    def nack(self, message: MessageProxy) -> None:
        """Refuse a message: RabbitMQ moves it to its ``.XQ``. Settled elsewhere, it may go."""
        if message.consumer is self and message.settled is None:
            super().nack(message)
        else:
            self.ack(message)

    def close(self) -> None:
        """Wait for what is being settled, then close the connection."""
        patience = time.monotonic() + self.settle_within
        while self._unsettled and self.connection.is_open and time.monotonic() < patience:
            time.sleep(0.01)
        super().close()

    def _close_case(self, message: MessageProxy, settled: Future[None]) -> None:
        if not settled.cancelled():
            if settled.exception() is None:
                super().ack(message)
            else:
                super().nack(message)
        self._unsettled.discard(settled)

"""One connection to RabbitMQ, and what becomes of each message it was given.

Each message is answered on its own: confirmed, refused, or lost with the connection. Many may be
under way together, so one connection is enough for a process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import pika
from pika.adapters.asyncio_connection import AsyncioConnection

from orderbus import telemetry
from orderbus.errors import Denied, Unavailable, Unroutable

#: RabbitMQ's reply code where a queue exists with other properties.
_PRECONDITION_FAILED = 406


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable queue and its properties."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message on its way to a queue."""

    queue: str
    body: bytes
    message_id: str


class Connection:
    """What ``open`` returns: a connection with one channel that confirms, of the loop it runs on.

    While RabbitMQ has an alarm it stops reading, and what was written stays in the network's
    buffers and is taken afterwards. So a blocked connection is kept and asked nothing more: to
    close it and send again on another would make a copy with each try.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lost: asyncio.Future[str] = self._loop.create_future()
        #: Set when RabbitMQ and we agree that it is closed.
        self.ended = asyncio.Event()
        self._unconfirmed: dict[int, asyncio.Future[None]] = {}
        self._last_tag = 0
        self._connection: Any = None
        self._channel: Any = None
        self.blocked = False
        #: Names of the queues known to be there.
        self.declared: set[str] = set()

    @classmethod
    async def open(cls, parameters: pika.connection.Parameters) -> Self:
        """Connect, and ask for confirms. Raises ``Unavailable``, ``Denied``."""
        connection = cls()
        opened: asyncio.Future[None] = connection._loop.create_future()
        connection._connection = AsyncioConnection(
            parameters,
            on_open_callback=lambda _: _answer(opened, None),
            on_open_error_callback=lambda _, error: _answer(opened, refusal(error)),
            on_close_callback=lambda _, why: connection._end(str(why)),
            custom_ioloop=connection._loop,
        )
        try:
            await opened
            await connection._prepare()
        except BaseException:
            connection.close("it could not be opened")
            raise
        return connection

    async def _prepare(self) -> None:
        """Open the channel, ask for confirms, and hear of alarms."""
        self._connection.add_on_connection_blocked_callback(lambda *_: self._block(on=True))
        self._connection.add_on_connection_unblocked_callback(lambda *_: self._block(on=False))
        self._channel = await self.open_channel()
        self._channel.add_on_close_callback(lambda _, why: self.close(str(why)))
        self._channel.add_on_return_callback(self._returned)
        await self.reply(
            lambda done: self._channel.confirm_delivery(self._confirmed, callback=done)
        )

    @property
    def is_lost(self) -> bool:
        """Whether nothing can be sent on it any more."""
        return self._lost.done()

    def publish(self, message: Outgoing) -> asyncio.Future[None]:
        """Send a message; the answer comes when RabbitMQ has it safe on the queue's disk.

        The answer is ``Unroutable`` where the queue is missing, and ``Unavailable`` where RabbitMQ
        refused, or where the connection was lost first: then nobody knows whether it was taken.
        """
        tag = self._last_tag + 1
        properties = pika.BasicProperties(
            delivery_mode=2, message_id=message.message_id, correlation_id=str(tag)
        )
        try:
            self._channel.basic_publish("", message.queue, message.body, properties, mandatory=True)
        except pika.exceptions.AMQPError as error:
            raise Unavailable(f"RabbitMQ went away: {error}") from error
        self._last_tag = tag
        answer: asyncio.Future[None] = self._loop.create_future()
        # Whoever asked may be gone; asyncio complains of an error that nobody looked at.
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._unconfirmed[tag] = answer
        return answer

    async def declare(self, queue: Queue) -> None:
        """Make a queue unless it is there; one with other properties is used as it is."""
        channel = await self.open_channel()  # of its own: a refusal closes it

        def ask(done: Callable[[object], None]) -> None:
            channel.add_on_close_callback(lambda _, why: done(why))
            wanted = dict(queue.arguments)
            channel.queue_declare(queue.name, durable=True, arguments=wanted, callback=done)

        answer = await self.reply(ask)
        if isinstance(answer, Exception):
            if getattr(answer, "reply_code", None) != _PRECONDITION_FAILED:
                raise Unavailable(f"RabbitMQ went away: {answer}")
            telemetry.log.warning("queue_differs", queue=queue.name, error=str(answer))
        if channel.is_open:
            channel.close()

    async def ask(self) -> None:
        """Return when RabbitMQ answers; raises ``Unavailable`` when the connection is lost."""
        await self.reply(lambda done: self._channel.basic_qos(prefetch_count=0, callback=done))

    def close(self, why: str) -> None:
        """Give the connection up: what is not confirmed yet is answered, and RabbitMQ told."""
        if self._lost.done():
            return
        self._lost.set_result(why)
        for answer in self._unconfirmed.values():
            _answer(answer, Unavailable(f"RabbitMQ went away: {why}"))
        self._unconfirmed.clear()
        if not (self._connection.is_closed or self._connection.is_closing):
            self._connection.close()

    async def open_channel(self) -> Any:  # noqa: ANN401 - pika has no types
        """Open one more channel. Raises ``Unavailable``."""
        return await self.reply(lambda done: self._connection.channel(on_open_callback=done))

    async def reply(self, ask: Callable[[Callable[[object], None]], object]) -> Any:  # noqa: ANN401 - pika has no types
        """Ask something and wait for the answer, or for the connection's end."""
        answer: asyncio.Future[Any] = self._loop.create_future()
        try:
            ask(lambda frame: _answer(answer, frame))
        except pika.exceptions.AMQPError as error:
            raise Unavailable(f"RabbitMQ went away: {error}") from error
        await asyncio.wait([answer, self._lost], return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise Unavailable(f"RabbitMQ went away: {self._lost.result()}")
        return answer.result()

    def _block(self, *, on: bool) -> None:
        self.blocked = on
        if on:
            telemetry.log.warning("rabbitmq_blocked", error="RabbitMQ has a memory or disk alarm")
        else:
            telemetry.log.info("rabbitmq_unblocked")

    def _confirmed(self, frame: Any) -> None:  # noqa: ANN401 - pika has no types
        last, refused = frame.method.delivery_tag, isinstance(frame.method, pika.spec.Basic.Nack)
        tags = [last]
        if frame.method.multiple:
            tags = [tag for tag in self._unconfirmed if tag <= last]
        for tag in tags:
            answer = self._unconfirmed.pop(tag, None)
            if answer is not None:  # it was not returned before
                _answer(answer, Unavailable("RabbitMQ refused a message") if refused else None)

    def _returned(self, _: object, method: Any, properties: Any, __: bytes) -> None:  # noqa: ANN401
        answer = self._unconfirmed.pop(int(properties.correlation_id), None)
        if answer is not None:
            _answer(answer, Unroutable(f"RabbitMQ has no queue {method.routing_key}"))

    def _end(self, why: str) -> None:
        self.close(why)
        self.ended.set()


def _answer(question: asyncio.Future[Any], answer: object) -> None:
    """Answer a question, with a result or an error of ours, unless nobody asks any more."""
    if question.done():
        return
    if isinstance(answer, Unavailable):
        question.set_exception(answer)
    else:
        question.set_result(answer)


def refusal(error: BaseException) -> Unavailable:
    """Turn pika's nested errors into one of ours that names the innermost cause."""
    cause: Any = error
    inner: Any = error
    while isinstance(inner, BaseException):
        cause = inner
        inner = getattr(cause, "exceptions", None) or getattr(cause, "exception", None)
        inner = inner or next(iter(cause.args), None)
        inner = inner[-1] if inner and isinstance(inner, list | tuple) else inner
    denied = isinstance(
        cause,
        pika.exceptions.ProbableAuthenticationError
        | pika.exceptions.ProbableAccessDeniedError
        | pika.exceptions.AuthenticationError,
    )
    sentence = str(cause) or type(cause).__name__
    if denied:
        return Denied(f"RabbitMQ refuses us: check RABBITMQ_URL ({sentence})")
    return Unavailable(f"RabbitMQ did not answer: {sentence}")

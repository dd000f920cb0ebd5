"""The messages in RabbitMQ's own dead queues, the ``.XQ`` of each queue.

Workers leave none there: what they give up is a row before it is acknowledged. But RabbitMQ moves
there what was given out too often, and what another version rejected or let expire; and a dead
queue that another version declared forgets its messages after a week.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import dramatiq
import pika

from orderbus.domain.text import brief, storable
from orderbus.errors import BadMessage
from orderbus.rabbitmq import validation
from orderbus.rabbitmq.connection import Connection
from orderbus.rabbitmq.publisher import Publisher

#: Messages taken together, and the bytes after which no further one is taken. A channel has at most
#: 32 acknowledgements to a quorum queue under way (``quorum_commands_soft_limit``), and forgets the
#: rest when it is closed: these messages would come again.
AT_MOST: Final = 25
_BYTES: Final = 16 * 1024 * 1024
#: Headers of a message that are kept, and characters of each.
_HEADERS: Final = 50
_LONGEST: Final = 2000
#: Why RabbitMQ moves messages.
_REASONS: Final = {"rejected", "expired", "delivery_limit", "maxlen"}


@dataclass(frozen=True, slots=True)
class Dead:
    """A message of a dead queue, with why it is there; ``message`` is None if none can be read."""

    queue: str
    body: bytes
    headers: Mapping[str, str]
    reason: str
    message: dramatiq.Message[Any] | None


@asynccontextmanager
async def taken(publisher: Publisher, queue: str) -> AsyncIterator[list[Dead]]:
    """Take messages from a dead queue, acknowledged where the block ends well.

    Otherwise RabbitMQ keeps them where they are, as it does if this process ends in between.
    Raises ``Unavailable``.
    """
    taking = await asyncio.wrap_future(publisher.call(_take(publisher, queue)))
    try:
        yield taking.messages
    except BaseException:
        publisher.call(taking.end(acknowledge=False))
        raise
    await asyncio.wrap_future(publisher.call(taking.end(acknowledge=True)))


async def _take(publisher: Publisher, queue: str) -> _Taking:
    connection = await publisher.reach()
    taking = _Taking(connection, await connection.open_channel(), [], [])
    try:
        await taking.fill(queue)
    except BaseException:
        await taking.end(acknowledge=False)
        raise
    return taking


@dataclass(frozen=True, slots=True)
class _Taking:
    """Messages that were taken on a channel, which gives back at its end what is not acknowledged.

    Everything runs on the publisher's thread.
    """

    connection: Connection
    channel: Any
    tags: list[int]
    messages: list[Dead]

    async def fill(self, queue: str) -> None:
        """Take what is there, up to the bounds."""
        room = _BYTES
        while len(self.messages) < AT_MOST and room > 0:
            answer = await self.connection.reply(self._ask(queue))
            if not isinstance(answer, tuple):  # it is empty, or not there
                return
            method, properties, body = answer
            room -= len(body)
            self.tags.append(method.delivery_tag)
            self.messages.append(_read(queue, body, properties.headers))

    def _ask(self, queue: str) -> Callable[[Callable[[object], None]], None]:
        def ask(done: Callable[[object], None]) -> None:
            self.channel.add_on_close_callback(lambda _, why: done(why))
            self.channel.add_callback(lambda _: done(None), [pika.spec.Basic.GetEmpty])
            self.channel.basic_get(queue, lambda _, *message: done(message))

        return ask  # answers with the message, or with what says that there is none

    async def end(self, *, acknowledge: bool) -> None:
        """Acknowledge all, or none, and close the channel; RabbitMQ has heard it then."""
        if not self.channel.is_open:  # a queue that is not there closed it
            return

        def ask(done: Callable[[object], None]) -> None:
            self.channel.add_on_close_callback(lambda _, why: done(why))
            if acknowledge and self.tags:
                self.channel.basic_ack(self.tags[-1], multiple=True)
            self.channel.close()

        await self.connection.reply(ask)


def _read(queue: str, body: bytes, headers: object) -> Dead:
    known = headers if isinstance(headers, dict) else {}
    kept = {
        storable(brief(str(name), 200)): storable(brief(_text(value), _LONGEST))
        for name, value in list(known.items())[:_HEADERS]
    }
    try:
        message = validation.read(body)
    except BadMessage:
        message = None
    return Dead(queue, body, kept, _reason(known), message)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _reason(headers: Mapping[Any, Any]) -> str:
    """Say why RabbitMQ moved a message; ``dead_queue`` where somebody put it there."""
    deaths = headers.get("x-death")
    first = deaths[0] if isinstance(deaths, list) and deaths else None
    reason = first.get("reason") if isinstance(first, dict) else None
    return reason if reason in _REASONS else "dead_queue"

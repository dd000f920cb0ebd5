"""Puts messages onto RabbitMQ, confirmed, from any thread and any event loop.

One thread with one connection for a process. It answers heartbeats while nothing is sent, sends
what several callers have at the same time together, and connects again by itself.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import closing, suppress
from typing import Any, Final, TypeVar

import pika

from orderbus.errors import Unavailable, Unroutable
from orderbus.rabbitmq.connection import Connection, Outgoing, Queue

T = TypeVar("T")

#: Seconds a caller waits for a connection that is being made; the making goes on.
PATIENCE: Final = 3.0
#: Seconds a caller waits for RabbitMQ's confirmation.
CONFIRM_WITHIN: Final = 5.0


class Publisher:
    """Puts messages on queues; begins when first used.

    ``parameters`` says where RabbitMQ is, and ``queues`` what a message's queue needs.
    """

    def __init__(
        self,
        parameters: Callable[[], pika.connection.Parameters],
        queues: Callable[[str], Sequence[Queue]],
    ) -> None:
        self._parameters = parameters
        self._queues = queues
        self._starting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.thread: threading.Thread | None = None
        self._connection: Connection | None = None
        self._opening: asyncio.Task[Connection] | None = None
        self._declaring: asyncio.Lock

    def call(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Run one of the coroutines below on the thread; may be called from anywhere else."""
        with self._starting:
            if self._loop is None:
                loop = self._loop = asyncio.new_event_loop()
                self._declaring = asyncio.Lock()
                self.thread = threading.Thread(
                    target=_run, args=(loop,), name="enqueuer", daemon=True
                )
                self.thread.start()
                atexit.register(self.close)
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        """Say goodbye to RabbitMQ and end the thread."""
        with self._starting:
            loop, thread, self._loop, self.thread = self._loop, self.thread, None, None
        if loop is None or thread is None:
            return
        atexit.unregister(self.close)
        with suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(self._leave(), loop).result(timeout=2)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=2)

    async def publish(
        self, messages: Sequence[Outgoing], *, within: float | None = CONFIRM_WITHIN
    ) -> None:
        """Put messages on their queues; returns when RabbitMQ has confirmed every one.

        Raises ``Unavailable`` where it does not; some may have been taken then. With ``within``
        None it waits until the message is confirmed or the connection lost.
        """
        for queue in {message.queue for message in messages}:
            await self.declare(queue)
        missing = await self._send(messages, within) if messages else []
        if missing:  # the queue was deleted behind our back
            for queue in {message.queue for message in missing}:
                await self.declare(queue, anew=True)
            if await self._send(missing, within):
                raise Unroutable(f"RabbitMQ does not keep queue {missing[0].queue}")

    async def declare(self, queue: str, *, anew: bool = False) -> None:
        """See to it that the queue of that name is there. Raises ``Unavailable``."""
        connection = await self.reach()
        async with self._declaring:
            for needed in self._queues(queue):
                if anew or needed.name not in connection.declared:
                    await _answered(connection, connection.declare(needed))
                    connection.declared.add(needed.name)

    async def ping(self) -> None:
        """Return when RabbitMQ answers; raises ``Unavailable`` when it does not."""
        connection = await self.reach()
        await _answered(connection, connection.ask())

    async def _send(self, messages: Sequence[Outgoing], within: float | None) -> list[Outgoing]:
        """Send messages together and wait for the answers; returns those without a queue."""
        connection = await self.reach()
        answers = [connection.publish(message) for message in messages]
        _, silent = await asyncio.wait(answers, timeout=within)
        if silent:
            if not connection.blocked:
                connection.close("it was silent")
            raise Unavailable(f"RabbitMQ did not confirm {len(silent)} messages in {within} s")
        missing = []
        for message, answer in zip(messages, answers, strict=True):
            error = answer.exception()
            if isinstance(error, Unroutable):
                missing.append(message)
            elif error is not None:
                raise error
        return missing

    async def reach(self) -> Connection:
        """Hand out a connection that takes messages, made anew where the last one was lost.

        Asks RabbitMQ nothing. Raises ``Unavailable``.
        """
        connection = self._connection
        if connection is None or connection.is_lost:
            if self._opening is None:
                self._opening = asyncio.create_task(Connection.open(self._parameters()))
                self._opening.add_done_callback(self._opened)
            try:
                connection = await asyncio.wait_for(asyncio.shield(self._opening), PATIENCE)
            except TimeoutError:
                raise Unavailable("RabbitMQ did not answer: still connecting") from None
        if connection.blocked:
            raise Unavailable("RabbitMQ takes nothing: it has a memory or disk alarm")
        return connection

    def _opened(self, opening: asyncio.Task[Connection]) -> None:
        self._opening = None
        if not opening.cancelled() and opening.exception() is None:
            self._connection = opening.result()

    async def _leave(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
        if self._connection is not None:
            self._connection.close("we are leaving")
            await self._connection.ended.wait()
            self._connection = None


def _run(loop: asyncio.AbstractEventLoop) -> None:
    with closing(loop):
        loop.run_forever()


async def _answered(connection: Connection, question: Coroutine[Any, Any, None]) -> None:
    """Wait for an answer, and give the connection up when none comes. Raises ``Unavailable``."""
    try:
        await asyncio.wait_for(question, CONFIRM_WITHIN)
    except TimeoutError:
        connection.close("it was silent")
        raise Unavailable("RabbitMQ did not answer: it was silent") from None

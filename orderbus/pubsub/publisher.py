"""Messages to the topic, each with its id or the reason why it was not taken."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Future, wait
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, Final

from google import pubsub_v1 as plain
from google.api_core import exceptions
from google.cloud import pubsub_v1
from google.cloud.pubsub_v1.publisher.exceptions import MessageTooLargeError
from google.cloud.pubsub_v1.types import BatchSettings

from orderbus import telemetry
from orderbus.errors import OrderbusError, Poisoned, Unavailable
from orderbus.pubsub import channels, topology
from orderbus.pubsub.messages import Message
from orderbus.settings import Settings

#: One request holds 1000 messages and 10 MB at most: Pub/Sub's own limits. The client sends a batch
#: one message before ``max_messages``. A lone message waits for company for a millisecond.
_BATCH: Final = BatchSettings(max_messages=1001, max_bytes=9_500_000, max_latency=0.001)
#: Seconds an answer may come after the deadline of its request.
_GRACE: Final = 0.1

#: What becomes of one message: its id, or why it has none.
_Outcome = str | BaseException


class Publisher:
    """Publishes batches to the one topic, and tells of each message what became of it.

    Nothing is tried twice here: trying again is the relay's, which knows what is worth it.
    """

    def __init__(self, client: pubsub_v1.PublisherClient, settings: Settings) -> None:
        """Use ``open_publisher``."""
        self._client = client
        self._topic = topology.topic_path(settings)
        self._under_way: set[Future[str]] = set()

    async def publish(
        self, messages: Sequence[Message], *, deadline: timedelta
    ) -> list[str | OrderbusError]:
        """Publish, and answer for each message, in order, what became of it.

        Its message id; ``Poisoned`` where this very message can never be published, however good
        its neighbours are; ``Unavailable`` otherwise, and then it may have been published all the
        same. Answers within ``deadline``. A topic that vanished is made again.
        """
        if not messages:
            return []
        until = time.monotonic() + deadline.total_seconds()
        outcomes = await self._publish_together(messages, deadline, until)
        refused = [
            number
            for number, outcome in enumerate(outcomes)
            if isinstance(outcome, exceptions.InvalidArgument)
        ]
        if refused:
            alone = [messages[number] for number in refused]
            found = await asyncio.to_thread(self._publish_apart, alone, until)
            for number, outcome in zip(refused, found, strict=True):
                outcomes[number] = outcome
        if any(isinstance(outcome, exceptions.NotFound) for outcome in outcomes):
            await asyncio.to_thread(self._make_topic)
        return [_ours(outcome) for outcome in outcomes]

    async def close(self, *, within: timedelta = timedelta(seconds=2)) -> None:
        """Let go of the connection, once nothing is under way or the time is up."""
        await asyncio.to_thread(wait, set(self._under_way), within.total_seconds())
        await asyncio.to_thread(self._client.transport.close)

    async def _publish_together(
        self, messages: Sequence[Message], deadline: timedelta, until: float
    ) -> list[_Outcome]:
        started = await asyncio.to_thread(self._start_all, messages, deadline)
        futures = {future for future in started if isinstance(future, Future)}
        self._under_way |= futures
        try:
            await _all_done(futures, until + _GRACE)
        finally:
            self._under_way -= {future for future in futures if future.done()}
        return [_outcome(future) for future in started]

    def _start_all(
        self, messages: Sequence[Message], deadline: timedelta
    ) -> list[Future[str] | Exception]:
        return [self._start(message, deadline) for message in messages]

    def _start(self, message: Message, deadline: timedelta) -> Future[str] | Exception:
        try:
            future: Future[str] = self._client.publish(
                self._topic,
                message.data,
                retry=None,
                timeout=deadline.total_seconds(),
                **message.attributes,
            )
        except (TypeError, ValueError, MessageTooLargeError) as error:
            return error
        return future

    def _publish_apart(self, messages: Sequence[Message], until: float) -> list[_Outcome]:
        """Find those that are refused for their own sake by halving, and publish the others.

        Not through the batching client: it puts messages of other callers into the same request.
        """
        if time.monotonic() >= until:
            return [TimeoutError("the deadline came before its turn")] * len(messages)
        try:
            answer = plain.PublisherClient.publish(
                self._client,
                topic=self._topic,
                messages=[
                    plain.PubsubMessage(data=message.data, attributes=dict(message.attributes))
                    for message in messages
                ],
                retry=None,
                timeout=until - time.monotonic(),
            )
        except exceptions.InvalidArgument as error:
            if len(messages) == 1:
                return [error if self._topic_is_there(until) else TimeoutError(str(error))]
            middle = len(messages) // 2
            return [
                *self._publish_apart(messages[:middle], until),
                *self._publish_apart(messages[middle:], until),
            ]
        except exceptions.GoogleAPICallError as error:
            return [error] * len(messages)
        return list(answer.message_ids)

    def _topic_is_there(self, until: float) -> bool:
        """Tell a bad message from a bad topic name, which would condemn every message."""
        try:
            self._client.get_topic(
                topic=self._topic, timeout=max(0.1, until - time.monotonic()), retry=None
            )
        except exceptions.PermissionDenied:
            return True  # whoever may publish need not be allowed to look
        except exceptions.GoogleAPICallError:
            return False
        return True

    def _make_topic(self) -> None:
        """Make the topic alone: who makes the subscription has to know what was lost with it."""
        try:
            self._client.create_topic(name=self._topic, timeout=topology.TIMEOUT, retry=None)
        except exceptions.GoogleAPICallError as error:
            telemetry.log.warning("topic_vanished", error=str(error))
        else:
            telemetry.log.warning("topic_made_anew", topic=self._topic)


@asynccontextmanager
async def open_publisher(settings: Settings) -> AsyncIterator[Publisher]:
    """Open the publisher of a process, without connecting yet.

    Raises ``Misconfigured`` without credentials for Google Cloud, unless an emulator is named.
    """
    client = await asyncio.to_thread(channels.publisher, settings, batch_settings=_BATCH)
    publisher = Publisher(client, settings)
    try:
        yield publisher
    finally:
        await publisher.close()


async def _all_done(futures: set[Future[str]], until: float) -> None:
    """Wait until every future is done, or ``until``; one wake-up for all of them."""
    if not futures:
        return
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    left = itertools.count(len(futures) - 1, -1)  # next() of it is atomic

    def count(_: Future[str]) -> None:
        if next(left) == 0:
            with suppress(RuntimeError):  # the loop was closed: nobody waits any more
                loop.call_soon_threadsafe(done.set)

    for future in futures:
        future.add_done_callback(count)
    with suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, until - time.monotonic())):
            await done.wait()


def _outcome(started: Future[str] | Exception) -> _Outcome:
    if isinstance(started, Exception):
        return started
    if not started.done():
        return TimeoutError("no answer within the deadline")
    return started.exception() or started.result()


def _ours(outcome: Any) -> str | OrderbusError:  # noqa: ANN401 - whatever Google's futures hold
    if isinstance(outcome, str):
        return outcome
    if isinstance(outcome, exceptions.InvalidArgument | TypeError | ValueError):
        return _refused(outcome)
    if isinstance(outcome, MessageTooLargeError):
        return _refused(outcome)
    return Unavailable(f"Pub/Sub did not take it: {outcome or type(outcome).__name__}")


def _refused(error: BaseException) -> Poisoned:
    return Poisoned(f"Pub/Sub refuses this message: {error}", reason="refused_by_pubsub")

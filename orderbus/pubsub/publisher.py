"""How do messages get to the topic, and what is said of each that does not?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Future, wait
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Final

from google.api_core import exceptions
from google.cloud import pubsub_v1
from google.cloud.pubsub_v1.types import (
    BatchSettings,
    LimitExceededBehavior,
    PublisherOptions,
    PublishFlowControl,
)

from orderbus.errors import OrderbusError, Poisoned, Unavailable
from orderbus.pubsub import channels, topology
from orderbus.pubsub.messages import Message
from orderbus.settings import Settings

#: Pub/Sub's own limit on one request.
_MAX_BYTES: Final = 9_500_000
#: Seconds a request that is not full waits for more.
_MAX_LATENCY: Final = 0.004


class Publisher:
    """Publishes batches to the one topic, and tells of each message what became of it."""

    def __init__(self, client: pubsub_v1.PublisherClient, settings: Settings) -> None:
        """Use ``open_publisher``."""
        self._client = client
        self._topic = topology.topic_path(settings)

    async def publish(
        self, messages: Sequence[Message], *, deadline: timedelta
    ) -> list[str | OrderbusError]:
        """Publish, and answer for each message, in order, what became of it.

        Its message id; ``Poisoned`` where this very message can never be published (found by
        publishing alone those of a request that was refused); ``Unavailable`` otherwise. Returns
        within ``deadline`` and a little. A topic that vanished is made again.
        """
        if not messages:
            return []
        answers = await asyncio.to_thread(self._publish, messages, deadline)
        if any(isinstance(answer, exceptions.NotFound) for answer in answers):
            await asyncio.to_thread(self._make_topic)
        return [_ours(answer) for answer in answers]

    def _make_topic(self) -> None:
        """Make the topic alone: who makes the subscription has to know that it was lost."""
        with suppress(exceptions.GoogleAPICallError):  # the next NotFound tells of it
            self._client.create_topic(name=self._topic, timeout=topology.TIMEOUT, retry=None)

    def _publish(
        self, messages: Sequence[Message], deadline: timedelta
    ) -> list[str | BaseException]:
        answers = self._together(messages, deadline)
        if len(messages) > 1:
            for number, answer in enumerate(answers):
                if isinstance(answer, exceptions.InvalidArgument):
                    (answers[number],) = self._together([messages[number]], deadline)
        return answers

    def _together(
        self, messages: Sequence[Message], deadline: timedelta
    ) -> list[str | BaseException]:
        futures = [self._begin(message, deadline) for message in messages]
        wait(
            [future for future in futures if isinstance(future, Future)],
            timeout=deadline.total_seconds() + 0.5,
        )
        return [_answer(future) for future in futures]

    def _begin(self, message: Message, deadline: timedelta) -> Future[str] | Exception:
        try:
            future: Future[str] = self._client.publish(
                self._topic,
                message.data,
                retry=None,
                timeout=deadline.total_seconds(),
                **message.attributes,
            )
        except (
            ValueError,
            TypeError,
            pubsub_v1.publisher.exceptions.MessageTooLargeError,
        ) as error:
            return error
        return future


@asynccontextmanager
async def open_publisher(settings: Settings) -> AsyncIterator[Publisher]:
    """Open the publisher of a process, without connecting yet."""
    client = channels.publisher(
        settings,
        # A full relay batch is one request, and leaves at once.
        batch_settings=BatchSettings(
            max_messages=settings.relay_batch, max_bytes=_MAX_BYTES, max_latency=_MAX_LATENCY
        ),
        publisher_options=PublisherOptions(
            flow_control=PublishFlowControl(
                message_limit=10_000,
                byte_limit=100_000_000,
                limit_exceeded_behavior=LimitExceededBehavior.BLOCK,
            )
        ),
    )
    try:
        yield Publisher(client, settings)
    finally:
        await asyncio.to_thread(client.transport.close)


def _answer(future: Future[str] | Exception) -> str | BaseException:
    if isinstance(future, Exception):
        return future
    if not future.done():
        return TimeoutError("Pub/Sub did not answer within the deadline")
    return future.exception() or future.result()


def _ours(answer: str | BaseException) -> str | OrderbusError:
    if isinstance(answer, str):
        return answer
    if isinstance(
        answer,
        exceptions.InvalidArgument
        | ValueError
        | TypeError
        | pubsub_v1.publisher.exceptions.MessageTooLargeError,
    ):
        return Poisoned(f"Pub/Sub refuses this message: {answer}", reason="refused_by_pubsub")
    return Unavailable(f"Pub/Sub did not take it: {answer}")

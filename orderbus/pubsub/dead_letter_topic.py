"""The messages that Pub/Sub itself gave up, and would forget after some days."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Final

from google.api_core import exceptions
from google.api_core.gapic_v1 import routing_header
from google.cloud import pubsub_v1
from google.pubsub_v1 import types

from orderbus.errors import Unavailable
from orderbus.pubsub import channels, topology
from orderbus.pubsub.messages import Message
from orderbus.settings import Settings

_Pull: Final[Any] = types.PullRequest.pb()
_Pulled: Final[Any] = types.PullResponse.pb()


@dataclass(frozen=True, slots=True)
class GivenUp(Message):
    """A message that was delivered too often in vain; ``message_id`` is its own for ever.

    It comes again unless it is acknowledged within ten seconds.
    """

    message_id: str
    ack_id: str


class DeadLetterTopic:
    """Pulls from the subscription of the dead-letter topic."""

    def __init__(self, client: pubsub_v1.SubscriberClient, settings: Settings) -> None:
        """Use ``open_dead_letter_topic``."""
        self._client = client
        self._path = f"{topology.subscription_path(settings)}.dead-letter"
        route = routing_header.to_grpc_metadata({"subscription": self._path})  # type: ignore[no-untyped-call]
        self._metadata = [route]
        self._pull = client.transport.grpc_channel.unary_unary(
            "/google.pubsub.v1.Subscriber/Pull",
            request_serializer=_Pull.SerializeToString,
            response_deserializer=_Pulled.FromString,
        )

    async def take(self, at_most: int) -> list[GivenUp]:
        """Take what is there now. Raises ``Unavailable``, also where we may not take it."""
        # Not waiting for more: whoever ends while it waits takes messages that nobody gets.
        request = _Pull(subscription=self._path, max_messages=at_most, return_immediately=True)
        try:
            answer = await channels.call(
                self._pull, request, timeout=topology.TIMEOUT, metadata=self._metadata
            )
        except exceptions.GoogleAPICallError as error:
            raise Unavailable(f"Pub/Sub did not answer: {error}") from error
        return [_given_up(received) for received in answer.received_messages]

    async def acknowledge(self, messages: Sequence[GivenUp]) -> None:
        """Let Pub/Sub forget messages. Raises ``Unavailable``; then they come again."""
        request = {"subscription": self._path, "ack_ids": [each.ack_id for each in messages]}
        try:
            await asyncio.to_thread(
                self._client.acknowledge, request=request, timeout=topology.TIMEOUT, retry=None
            )
        except exceptions.GoogleAPICallError as error:
            raise Unavailable(f"Pub/Sub did not answer: {error}") from error


@asynccontextmanager
async def open_dead_letter_topic(settings: Settings) -> AsyncIterator[DeadLetterTopic]:
    """Open it, without connecting yet. Raises ``Misconfigured`` without credentials."""
    client = await asyncio.to_thread(channels.subscriber, settings)
    try:
        yield DeadLetterTopic(client, settings)
    finally:
        await asyncio.to_thread(client.close)


def _given_up(received: Any) -> GivenUp:  # noqa: ANN401 - Google's message
    content = received.message
    published = content.publish_time.ToDatetime(tzinfo=UTC).isoformat()
    return GivenUp(
        content.data,
        dict(content.attributes),
        # Another topic, or an emulator that was started anew, numbers its messages the same way.
        f"{content.message_id}@{published}",
        received.ack_id,
    )

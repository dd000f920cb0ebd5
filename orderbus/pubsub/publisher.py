"""Messages to the topic, each with its id or the reason why it was not taken.

A batch is one request of our own making: Google's batching client costs eight times the CPU per
message, and puts messages of several callers into one request, where a bad one harms the others.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

from google.api_core import exceptions
from google.api_core.gapic_v1 import routing_header
from google.cloud import pubsub_v1
from google.pubsub_v1 import types

from orderbus import telemetry
from orderbus.errors import OrderbusError, Poisoned, Unavailable
from orderbus.pubsub import channels, topology
from orderbus.pubsub.messages import Message
from orderbus.settings import Settings

#: Bytes of a request; Pub/Sub takes 10 MB, and 1000 messages.
_LARGEST: Final = 9_500_000
#: Google's messages as protobuf has them, without the wrapper that costs more than all the rest.
_Wire: Final[Any] = types.PubsubMessage.pb()
_Request: Final[Any] = types.PublishRequest.pb()
_Response: Final[Any] = types.PublishResponse.pb()

#: What becomes of one message: its id, or why it has none.
_Outcome = str | Exception


class Publisher:
    """Publishes batches to the one topic, and tells of each message what became of it.

    Nothing is tried twice here: trying again is the relay's, which knows what is worth it.
    """

    def __init__(self, client: pubsub_v1.PublisherClient, settings: Settings) -> None:
        """Use ``open_publisher``."""
        self._client = client
        self._topic = topology.topic_path(settings)
        route = routing_header.to_grpc_metadata({"topic": self._topic})  # type: ignore[no-untyped-call]
        self._metadata = [route]
        self._ask = client.transport.grpc_channel.unary_unary(
            "/google.pubsub.v1.Publisher/Publish",
            request_serializer=_Request.SerializeToString,
            response_deserializer=_Response.FromString,
        )

    async def publish(
        self, messages: Sequence[Message], *, deadline: timedelta
    ) -> list[str | OrderbusError]:
        """Publish up to 1000, and answer for each message, in order, what became of it.

        Its message id; ``Poisoned`` where this very message can never be published, however good
        its neighbours are; ``Unavailable`` otherwise, and then it may have been published all the
        same. Answers within ``deadline``. A topic that vanished is made again.
        """
        until = time.monotonic() + deadline.total_seconds()
        wires = [_wire(message) for message in messages]
        sendable = [wire for wire in wires if not isinstance(wire, ValueError)]
        taken = iter(await self._publish(sendable, until) if sendable else ())
        outcomes = [wire if isinstance(wire, ValueError) else next(taken) for wire in wires]
        if any(isinstance(outcome, exceptions.NotFound) for outcome in outcomes):
            await asyncio.to_thread(self._make_topic)
        return [_ours(outcome) for outcome in outcomes]

    async def close(self) -> None:
        """Let go of the connection."""
        await asyncio.to_thread(self._client.transport.close)

    async def _publish(self, wires: list[Any], until: float) -> list[_Outcome]:
        """Publish in one request; where that is refused, halve it until the bad ones are alone."""
        try:
            return await self._publish_together(wires, until)
        except (exceptions.InvalidArgument, ValueError) as error:
            if len(wires) == 1:
                there = await asyncio.to_thread(self._topic_is_there, until)
                return [error if there else TimeoutError(str(error))]
            middle = len(wires) // 2
            return [
                *await self._publish(wires[:middle], until),
                *await self._publish(wires[middle:], until),
            ]
        except (exceptions.GoogleAPICallError, TimeoutError) as error:
            return [error] * len(wires)

    async def _publish_together(self, wires: list[Any], until: float) -> list[_Outcome]:
        request = _Request(topic=self._topic, messages=wires)
        if request.ByteSize() > _LARGEST:
            raise ValueError(f"a request has {_LARGEST} bytes at most")
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline came before its turn")
        answer = await channels.call(self._ask, request, timeout=left, metadata=self._metadata)
        if len(answer.message_ids) != len(wires):  # nobody can tell which one was taken
            raise TimeoutError(f"{len(answer.message_ids)} ids came for {len(wires)} messages")
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
    client = await asyncio.to_thread(channels.publisher, settings)
    publisher = Publisher(client, settings)
    try:
        yield publisher
    finally:
        await publisher.close()


def _wire(message: Message) -> Any:  # noqa: ANN401 - protobuf has no types
    try:
        return _Wire(data=message.data, attributes=message.attributes)
    except (TypeError, ValueError) as error:  # what UTF-8 cannot hold
        return ValueError(str(error))


def _ours(outcome: _Outcome) -> str | OrderbusError:
    match outcome:
        case str():
            return outcome
        case exceptions.InvalidArgument() | ValueError():
            return Poisoned(f"Pub/Sub refuses this message: {outcome}", reason="refused_by_pubsub")
    return Unavailable(f"Pub/Sub did not take it: {outcome}")

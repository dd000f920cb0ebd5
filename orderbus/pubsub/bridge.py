"""How do messages come back from Pub/Sub, in batches, and for ever?"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from google.api_core import exceptions
from google.cloud import pubsub_v1
from google.cloud.pubsub_v1.types import FlowControl

from orderbus import telemetry
from orderbus.errors import Unavailable
from orderbus.pubsub import channels, topology
from orderbus.settings import Settings

#: Seconds a batch waits for more messages after its first one.
_GATHER: Final = 0.003
#: Seconds between two looks whether the subscription is still there.
_LOOK: Final = 2.0
_PAUSES: Final = (0.1, 0.2, 0.5, 1.0, 2.0)


@dataclass(frozen=True, slots=True)
class Received:
    """A message that came, to be acknowledged once it is safely recorded."""

    data: bytes
    attributes: Mapping[str, str]
    message_id: str
    published_at: datetime
    ack: Callable[[], None]
    nack: Callable[[], None]


Handle = Callable[[list[Received]], Awaitable[None]]


class Connected(Protocol):
    """Hears whether the subscription answers."""

    def __call__(self, *, up: bool) -> None:
        """Hear it."""


def _nobody_asks(*, up: bool) -> None:
    """Hear it, and do nothing."""


async def stream(
    settings: Settings,
    handle: Handle,
    *,
    made: Callable[[], Awaitable[None]],
    stop: asyncio.Event,
    max_messages: int | None = None,
    connected: Connected = _nobody_asks,
) -> None:
    """Hand every message to ``handle`` in batches, and acknowledge a batch when it returns.

    Goes on until ``stop`` is set, or ``max_messages`` were handled. While ``handle`` raises
    ``Unavailable`` the same batch waits, its leases extended, and nothing more is pulled than the
    flow control admits. A subscription that vanished is made again and ``made`` called: what it
    held is lost. ``connected`` hears whether the subscription answers.
    """
    left = max_messages
    while not stop.is_set() and left != 0:
        pull = _Pull(settings, at_most=left)
        try:
            left = await pull.run(handle, stop=stop, left=left, connected=connected)
        except exceptions.NotFound:
            connected(up=False)
            telemetry.log.warning("subscription_vanished")
            await _again_and_again(lambda: _remake(settings, made), stop)
        except exceptions.GoogleAPICallError as error:
            connected(up=False)
            telemetry.log.warning("part_away", part="pubsub", error=str(error))
            await _pause(stop, 0.5)


async def _remake(settings: Settings, made: Callable[[], Awaitable[None]]) -> None:
    await topology.ensure(settings)
    await made()


class _Pull:
    """One streaming pull, from its opening to its end."""

    def __init__(self, settings: Settings, *, at_most: int | None) -> None:
        self._settings = settings
        self._queue: asyncio.Queue[Received] = asyncio.Queue()
        self._batch = min(settings.bridge_batch, at_most or settings.bridge_batch)
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(
        self,
        handle: Handle,
        *,
        stop: asyncio.Event,
        left: int | None,
        connected: Connected,
    ) -> int | None:
        """Pull until told to stop; returns how many messages are left to handle."""
        loop = asyncio.get_running_loop()
        client = channels.subscriber(self._settings)
        pulling = client.subscribe(
            topology.subscription_path(self._settings),
            callback=lambda message: loop.call_soon_threadsafe(
                self._queue.put_nowait, _received(message)
            ),
            flow_control=FlowControl(
                max_messages=10 * self._settings.bridge_batch,
                max_duration_per_lease_extension=topology.ACK_DEADLINE,
            ),
        )
        pulling.add_done_callback(lambda future: loop.call_soon_threadsafe(self._end, future))
        looking = asyncio.create_task(self._look(client, connected))
        try:
            return await self._handle_all(handle, stop=stop, left=left)
        finally:
            looking.cancel()
            self._give_back()  # before the end: afterwards nobody sends what we say
            pulling.cancel()
            await asyncio.to_thread(_wait_for, pulling)
            client.close()

    def _give_back(self) -> None:
        while not self._queue.empty():
            self._queue.get_nowait().nack()

    async def _handle_all(
        self, handle: Handle, *, stop: asyncio.Event, left: int | None
    ) -> int | None:
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set() and left != 0:
                batch = await self._next(stopping, left)
                if not batch:
                    continue
                if not await _again_and_again(functools.partial(handle, batch), stop):
                    for message in batch:
                        message.nack()
                    return left
                for message in batch:
                    message.ack()
                left = None if left is None else left - len(batch)
            return left
        finally:
            stopping.cancel()

    async def _next(self, stopping: asyncio.Task[bool], left: int | None) -> list[Received]:
        """Wait for a message and gather those behind it; empty when told to stop.

        Raises the error that ended the pull.
        """
        first = asyncio.create_task(self._queue.get())
        either: set[asyncio.Future[Any]] = {first, stopping, self._ended}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not first.done():
            first.cancel()
            if self._ended.done():
                self._ended.result()
                raise exceptions.ServiceUnavailable("The pull ended")  # type: ignore[no-untyped-call]
            return []
        batch = [first.result()]
        size = self._batch if left is None else min(self._batch, left)
        if self._queue.qsize() < size - 1:
            await asyncio.sleep(_GATHER)
        while len(batch) < size and not self._queue.empty():
            batch.append(self._queue.get_nowait())
        return batch

    async def _look(self, client: pubsub_v1.SubscriberClient, connected: Connected) -> None:
        """Ask now and then whether the subscription is there; a silent stream does not tell."""
        while True:
            try:
                if await asyncio.to_thread(_is_gone, client, self._settings):
                    gone = exceptions.NotFound("gone")  # type: ignore[no-untyped-call]
                    if not self._ended.done():
                        self._ended.set_exception(gone)
                    return
            except exceptions.GoogleAPICallError:
                connected(up=False)
            else:
                connected(up=True)
            await asyncio.sleep(_LOOK)

    def _end(self, pulling: Any) -> None:  # noqa: ANN401 - Google's future
        if self._ended.done():
            return
        error = None if pulling.cancelled() else pulling.exception()
        if error is None:
            self._ended.set_result(None)
        else:
            self._ended.set_exception(error)


def _is_gone(client: pubsub_v1.SubscriberClient, settings: Settings) -> bool:
    """Say whether the subscription, or the topic it belonged to, was deleted."""
    path = topology.subscription_path(settings)
    try:
        found = client.get_subscription(subscription=path, timeout=_LOOK, retry=None)
    except exceptions.NotFound:
        return True
    return bool(found.topic == topology.DELETED_TOPIC)


def _received(message: Any) -> Received:  # noqa: ANN401 - Google's message
    return Received(
        data=message.data,
        attributes=dict(message.attributes),
        message_id=message.message_id,
        published_at=message.publish_time,
        ack=message.ack,
        nack=message.nack,
    )


def _wait_for(pulling: Any) -> None:  # noqa: ANN401 - Google's future
    with suppress(Exception):  # it was reported where it ended the pull
        pulling.result(timeout=5)


async def _again_and_again(attempt: Callable[[], Awaitable[None]], stop: asyncio.Event) -> bool:
    """Repeat what is ``Unavailable`` until it works; false if told to stop before."""
    failures = 0
    while True:
        try:
            await attempt()
        except Unavailable as error:
            telemetry.log.warning("bridge_waits", error=str(error))
            if stop.is_set():
                return False
            await _pause(stop, _PAUSES[min(failures, len(_PAUSES) - 1)])
            failures += 1
        else:
            return True


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)

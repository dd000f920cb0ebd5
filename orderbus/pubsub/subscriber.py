"""Messages from Pub/Sub: streams that stay open, whatever happens to it."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Final
from uuid import uuid4

from google.api_core import exceptions
from google.cloud import pubsub_v1
from google.pubsub_v1.types import StreamingPullRequest

from orderbus import telemetry, waiting
from orderbus.domain import retries
from orderbus.errors import Unavailable
from orderbus.pubsub import channels, topology
from orderbus.pubsub.leases import Leases
from orderbus.pubsub.subscription import Subscription
from orderbus.settings import Settings

#: Streams side by side. One brings at most 10 MB a second from Google, and at most 100 messages
#: every 50 ms from the emulator.
STREAMS: Final = 4
#: Seconds between two looks of the emulator for what it may send down a stream, counted from the
#: stream's opening. Streams opened at different quarters of it bring a message four times as soon.
_EMULATOR_LOOKS: Final = 0.05
#: Seconds between two looks whether the subscription is still there and still the same.
_LOOK_EVERY: Final = 2.0
#: Seconds after which a stream counts as open: one that is refused ends sooner.
_OPEN_AFTER: Final = 0.2
#: Seconds a stream has to bring what is on its way, and to end, before it is cancelled: what is
#: lost then comes to nobody until its lease has run out.
_END_WITHIN: Final = 5.0
#: Seconds between two signs of life on a stream, so that nothing in between closes it as idle.
_HEARTBEAT: Final = 25.0


#: Hears whether the subscription answers, as ``up``.
Connected = Callable[..., None]


def nobody_asks(*, up: bool) -> None:
    """Hear it, and do nothing."""


@asynccontextmanager
async def subscribed(
    settings: Settings, *, stop: asyncio.Event, connected: Connected
) -> AsyncIterator[Subscription]:
    """Pull messages while the block runs; then give back at once what was not settled.

    No more comes than a few batches ahead, and a message may come twice. A subscription that is
    missing or vanished is made. ``stop`` ends the wait for a batch. ``connected`` hears whether the
    subscription answers.
    """
    client = await asyncio.to_thread(channels.subscriber, settings)
    leases = Leases(client, topology.subscription_path(settings))
    subscription = Subscription(leases, at_most=10 * settings.bridge_batch)
    pull = _Pull(client, settings, leases, subscription, connected)
    streams = [pull.keep_streaming(number) for number in range(STREAMS)]
    work: Sequence[Coroutine[Any, Any, object]] = [pull.keep_looking(), *streams, leases.keep()]
    tasks = [asyncio.create_task(each) for each in (*work, stop.wait())]
    for task in tasks:
        task.add_done_callback(subscription.note_ended)
    try:
        yield subscription
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        subscription.close()
        await leases.settle()
        await asyncio.to_thread(client.close)


class _Pull:
    """Keeps several streams open on the one subscription.

    Google's own subscriber reopens a stream five times in ten seconds at most, and tries for a
    minute to acknowledge to a server that is away: after a restart nothing came for that long.
    """

    def __init__(
        self,
        client: pubsub_v1.SubscriberClient,
        settings: Settings,
        leases: Leases,
        subscription: Subscription,
        connected: Connected,
    ) -> None:
        self._client = client
        self._settings = settings
        self._leases = leases
        self._subscription = subscription
        self._connected = connected
        self._streams: set[_Stream] = set()
        self._generation: str | None = None  # of the subscription that the streams are on
        self._made_anew = False
        self._found = asyncio.Event()
        self._look_now = asyncio.Event()

    async def keep_looking(self) -> None:
        """See that the subscription is there, until cancelled.

        Raises ``Misconfigured`` where it is missing and we may not make it.
        """
        while True:
            await waiting.until_it_works(
                self._look,
                retries.SUBSCRIPTION,
                away=lambda error: telemetry.log.warning(
                    "subscription_unreachable", error=str(error)
                ),
            )
            self._leases.trust()
            self._found.set()
            if any(stream.is_open for stream in self._streams):
                self._connected(up=True)
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY):
                    await self._look_now.wait()

    async def _look(self) -> None:
        self._look_now.clear()
        try:
            await self._find()
        except Unavailable:
            self._connected(up=False)
            raise

    async def _find(self) -> None:
        """See to it that the subscription is there, and notice when it is another one."""
        generation = self._generation
        if generation is not None:
            generation = await asyncio.to_thread(topology.find, self._client, self._settings)
        if generation is None:
            self._forget()
            self._made_anew = await topology.ensure(self._settings) or self._made_anew
            generation = await asyncio.to_thread(topology.find, self._client, self._settings)
        if self._generation is not None and generation != self._generation:
            self._forget()
            self._made_anew = True
        if self._made_anew:
            self._subscription.note_made_anew()
        self._generation, self._made_anew = generation, False

    def _forget(self) -> None:
        self._leases.forget()
        for stream in self._streams:
            stream.forgotten = True
            stream.finish()

    async def keep_streaming(self, number: int) -> None:
        """Keep one stream open, made again whenever it ends, until cancelled."""
        while True:
            await waiting.until_it_works(
                partial(self._stream, number),
                retries.SUBSCRIPTION,
                away=lambda error: telemetry.log.warning(
                    "subscription_refused_us", error=str(error)
                ),
            )

    async def _stream(self, number: int) -> None:
        """Stream until it ends; raises ``Unavailable`` where it was never open."""
        await self._found.wait()
        phase = number * _EMULATOR_LOOKS / STREAMS - asyncio.get_running_loop().time()
        await asyncio.sleep(phase % _EMULATOR_LOOKS)
        stream = _Stream(self._client, self._settings, self._subscription)
        self._streams.add(stream)
        try:
            stream.is_open = not await stream.ends_within(_OPEN_AFTER)
            if stream.is_open:
                self._connected(up=True)
            error = await asyncio.shield(stream.ended)  # whoever is cancelled still waits for it
        finally:
            self._streams.discard(stream)
            await stream.close()
        # Look before anything else: it is routine, a restart, or the subscription is gone.
        self._found.clear()
        self._leases.doubt()
        self._look_now.set()
        if not stream.is_open:
            raise Unavailable(str(error))


class _Stream:
    """One streaming pull: a thread that reads it, and another of gRPC's that writes."""

    def __init__(
        self,
        client: pubsub_v1.SubscriberClient,
        settings: Settings,
        subscription: Subscription,
    ) -> None:
        self.is_open = self.forgotten = False
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[Exception | None] = self._loop.create_future()
        self._subscription = subscription
        self._closed = threading.Event()
        self._requests: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._call = client.streaming_pull(requests=self._write(settings), retry=None, timeout=None)
        threading.Thread(target=self._read, name="pubsub-stream", daemon=True).start()

    def finish(self) -> None:
        """Ask for its end, as one that has no more to say; what is on its way still comes.

        Not by cancelling: what is on its way would come to nobody until its lease has run out.
        """
        self._closed.set()
        self._requests.put(None)
        self._subscription.room.set()

    async def close(self) -> None:
        """End it; nothing arrives afterwards."""
        self.finish()
        if not await self.ends_within(_END_WITHIN):
            self._call.cancel()
            await self.ends_within(1)

    async def ends_within(self, seconds: float) -> bool:
        """Wait so long at most; says whether it has ended."""
        await asyncio.wait({self.ended}, timeout=seconds)
        return self.ended.done()

    def _write(self, settings: Settings) -> Iterator[StreamingPullRequest]:
        yield StreamingPullRequest(
            subscription=topology.subscription_path(settings),
            stream_ack_deadline_seconds=topology.ACK_DEADLINE,
            client_id=uuid4().hex,
            max_outstanding_messages=max(100, 10 * settings.bridge_batch // STREAMS),
            max_outstanding_bytes=25_000_000,
        )
        while not self._closed.is_set():
            try:
                self._requests.get(timeout=_HEARTBEAT)
            except queue.Empty:
                yield StreamingPullRequest()

    def _read(self) -> None:
        error: Exception | None = None
        try:
            for response in self._call:
                self._call_soon(self._take, response._pb.received_messages)  # noqa: SLF001 - ten times as fast
                while not (self._closed.is_set() or self._subscription.room.wait(_EMULATOR_LOOKS)):
                    pass
        except exceptions.GoogleAPICallError as caught:
            error = caught
        finally:  # whatever ended it, a stream that brings nothing must not count as one
            self._requests.put(None)
            self._call_soon(self.ended.set_result, error)

    def _take(self, messages: Any) -> None:  # noqa: ANN401 - Google's messages
        if not self.forgotten:  # a forgotten subscription's ack ids may be another's by now
            self._subscription.add(messages)

    def _call_soon(self, what: Callable[[Any], None], content: object) -> None:
        with suppress(RuntimeError):  # the loop was closed: nobody listens any more
            self._loop.call_soon_threadsafe(what, content)

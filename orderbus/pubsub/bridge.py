"""How do messages come back from Pub/Sub, in batches, and for ever?"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from orderbus import telemetry
from orderbus.errors import Unavailable
from orderbus.pubsub import channels, topology
from orderbus.pubsub.leases import Leases
from orderbus.pubsub.pull import Connected, Pull
from orderbus.settings import Settings

#: Seconds a batch waits for more behind its first message: while they keep coming, at most so long.
_QUIET: Final = 0.002
_GATHER: Final = 0.01
#: Seconds after which a message is handed over again that was left for later.
_LATER: Final = 0.25
#: Seconds between attempts to hand over a batch.
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


#: Handles a batch; returns those of its messages that are to come again, after a pause.
Handle = Callable[[list[Received]], Awaitable[Sequence[Received]]]


def nobody_asks(*, up: bool) -> None:
    """Hear it, and do nothing."""


async def stream(
    settings: Settings,
    handle: Handle,
    *,
    made: Callable[[], Awaitable[None]],
    stop: asyncio.Event,
    max_messages: int | None = None,
    connected: Connected = nobody_asks,
) -> None:
    """Hand every message to ``handle`` in batches, and acknowledge a batch when it returns.

    What ``handle`` leaves for later stays ours and is handed over again, among others. Goes on
    until ``stop`` is set, or ``max_messages`` were handled; then the current batch is finished and
    what waits behind it given back at once. While ``handle`` raises ``Unavailable`` the same batch
    waits, its leases extended, and no more comes than a few batches. A message may come twice. A
    subscription that vanished is made again, and ``made`` is called whenever it was made anew, by
    whomever: what it held is lost. ``connected`` hears whether the subscription answers. Raises
    ``Misconfigured`` where we may not make it, and what else ``handle`` raises.
    """
    client = await asyncio.to_thread(channels.subscriber, settings)
    leases = Leases(client, topology.subscription_path(settings))
    waiting = _Waiting(leases, at_most=10 * settings.bridge_batch)
    pull = Pull(
        client,
        settings,
        leases,
        arrived=waiting.add,
        room=waiting.room,
        made=made,
        connected=connected,
    )
    pulling = asyncio.create_task(pull.keep())
    leasing = asyncio.create_task(leases.keep())
    try:
        await _hand_over(
            waiting,
            handle,
            batch=settings.bridge_batch,
            stop=stop,
            max_messages=max_messages,
            until={pulling, leasing},
        )
    finally:
        for task in (pulling, leasing):
            task.cancel()
        await asyncio.wait({pulling, leasing})
        waiting.give_back()
        await leases.settle()
        await asyncio.to_thread(client.close)


class _Waiting:
    """The messages that came and are not handed over yet."""

    def __init__(self, leases: Leases, *, at_most: int) -> None:
        self.room = threading.Event()
        self.room.set()
        self._leases = leases
        self._at_most = at_most
        self._messages: deque[Received] = deque()
        self._put_off: deque[Received] = deque()
        self._came = asyncio.Event()

    def add(self, messages: Sequence[Any]) -> None:
        """Take in what a stream brought; from now on its leases are extended."""
        self._messages.extend(self._received(message) for message in messages)
        self._came.set()
        if len(self._messages) >= self._at_most:
            self.room.clear()

    async def next(self, at_most: int) -> list[Received]:
        """Wait for a message, and gather those right behind it."""
        await self._came.wait()
        loop = asyncio.get_running_loop()
        until = loop.time() + _GATHER
        seen = 0
        while seen < len(self._messages) < at_most and loop.time() < until:
            seen = len(self._messages)
            await asyncio.sleep(_QUIET)
        batch = [self._messages.popleft() for _ in range(min(at_most, len(self._messages)))]
        if not self._messages:
            self._came.clear()
        if len(self._messages) < self._at_most:
            self.room.set()
        return batch

    def put_off(self, messages: Sequence[Received]) -> None:
        """Hand these over again after a pause; too many of them go back to Pub/Sub.

        They take no room from what comes: orders that stand still must not stop the others.
        """
        room = max(0, self._at_most - len(self._put_off))
        self._put_off.extend(messages[:room])
        for message in messages[room:]:
            message.nack()
        loop = asyncio.get_running_loop()
        loop.call_later(_LATER, self._take_up, len(messages[:room]))

    def _take_up(self, count: int) -> None:
        for _ in range(min(count, len(self._put_off))):
            self._messages.append(self._put_off.popleft())
            self._came.set()

    def give_back(self) -> None:
        """Let another bridge have what waits."""
        for messages in (self._put_off, self._messages):
            while messages:
                messages.popleft().nack()

    def _received(self, message: Any) -> Received:  # noqa: ANN401 - Google's message
        ack, nack = self._leases.hold(message.ack_id)
        content = message.message
        return Received(
            data=content.data,
            attributes=dict(content.attributes),
            message_id=content.message_id,
            published_at=content.publish_time.ToDatetime(tzinfo=UTC),
            ack=ack,
            nack=nack,
        )


async def _hand_over(
    waiting: _Waiting,
    handle: Handle,
    *,
    batch: int,
    stop: asyncio.Event,
    max_messages: int | None,
    until: set[asyncio.Task[None]],
) -> None:
    """Hand over batch by batch; raises what ended one of the tasks ``until``."""
    stopping = asyncio.create_task(stop.wait())
    left = max_messages
    try:
        while not stop.is_set() and left != 0:
            size = batch if left is None else min(batch, left)
            coming = asyncio.create_task(waiting.next(size))
            either: set[asyncio.Task[Any]] = {coming, stopping, *until}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                coming.cancel()
                for task in until:
                    if task.done():
                        task.result()
                return
            messages = coming.result()
            later = await _handled(messages, handle, stop)
            if later is None:
                return
            waiting.put_off(later)
            left = None if left is None else left - len(messages) + len(later)
    finally:
        stopping.cancel()


async def _handled(
    messages: list[Received], handle: Handle, stop: asyncio.Event
) -> Sequence[Received] | None:
    """Hand over one batch until it is taken, and acknowledge it.

    Returns what is left for later; None if told to stop before.
    """
    failures = 0
    while True:
        try:
            later = await handle(messages)
        except Unavailable as error:
            if failures == 0:
                telemetry.log.warning("bridge_waits", error=str(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(_PAUSES[min(failures, len(_PAUSES) - 1)]):
                    await stop.wait()
            if stop.is_set():
                for message in messages:
                    message.nack()
                return None
            failures += 1
        else:
            _acknowledge(messages, but=later)
            return later


def _acknowledge(messages: Sequence[Received], *, but: Sequence[Received]) -> None:
    kept = {id(message) for message in but}
    for message in messages:
        if id(message) not in kept:
            message.ack()

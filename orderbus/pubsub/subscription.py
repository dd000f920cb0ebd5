"""The messages that came from the subscription, handed out in batches."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from orderbus.pubsub.leases import Leases

#: Seconds a batch waits for more behind its first message: while they keep coming, at most so long.
#: One behind a batch of fewer messages than ``_MANY`` waits for nothing.
_QUIET: Final = 0.002
_GATHER: Final = 0.01
_MANY: Final = 10
#: Seconds after which a message is handed out again that was put off.
_LATER: Final = 0.25


@dataclass(frozen=True, slots=True)
class Received:
    """A message that came, to be acknowledged once it is safely recorded."""

    data: bytes
    attributes: Mapping[str, str]
    message_id: str
    published_at: datetime
    ack: Callable[[], None]
    nack: Callable[[], None]
    let_go: Callable[[], None]


class Subscription:
    """Holds about ``at_most`` messages that came until they are settled, their leases extended.

    ``made_anew`` becomes true whenever the subscription was made anew, by whomever: what it held is
    lost. Whoever publishes that again makes it false. ``room`` is set while more may come.
    """

    def __init__(self, leases: Leases, *, at_most: int) -> None:
        self.made_anew = False
        self.room = threading.Event()
        self.room.set()
        self._leases = leases
        self._at_most = at_most
        self._messages: deque[Received] = deque()
        self._put_off: deque[Received] = deque()
        self._many_come = False
        self._news = asyncio.Event()
        self._ended: list[asyncio.Task[Any]] = []

    async def next_batch(self, at_most: int) -> list[Received]:
        """Wait for a message, and where many come gather those right behind it.

        Empty where there is something else to look at: the subscription was made anew, or whoever
        asks shall stop. Raises ``Misconfigured`` where Pub/Sub refuses us.
        """
        await self._news.wait()
        for task in self._ended:
            task.result()
        loop = asyncio.get_running_loop()
        until = loop.time() + _GATHER * self._many_come
        seen = 0
        while seen < len(self._messages) < at_most and loop.time() < until:
            seen = len(self._messages)
            await asyncio.sleep(_QUIET)
        batch = [self._messages.popleft() for _ in range(min(at_most, len(self._messages)))]
        self._many_come = len(batch) >= _MANY
        if not self._messages and not self._ended:
            self._news.clear()
        if len(self._messages) < self._at_most:
            self.room.set()
        return batch

    def settle(self, batch: Sequence[Received], *, later: Sequence[Received]) -> None:
        """Acknowledge a batch, but hand out those in ``later`` again after a pause.

        They take no room from what comes: orders that stand still must not stop the others. What
        is too much of them comes again once its lease has run out: at once would be in a circle.
        """
        put_off = {id(message) for message in later}
        for message in batch:
            if id(message) not in put_off:
                message.ack()
        room = max(0, self._at_most - len(self._put_off))
        self._put_off.extend(later[:room])
        for message in later[room:]:
            message.let_go()
        asyncio.get_running_loop().call_later(_LATER, self._take_up, len(later[:room]))

    def give_back(self, messages: Sequence[Received]) -> None:
        """Let another bridge have these messages."""
        for message in messages:
            message.nack()

    def close(self) -> None:
        """Give back what waits."""
        self.give_back([*self._put_off, *self._messages])

    def add(self, messages: Sequence[Any]) -> None:
        """Take in what a stream brought; from now on its leases are extended."""
        self._messages.extend(self._received(message) for message in messages)
        self._news.set()
        if len(self._messages) >= self._at_most:
            self.room.clear()

    def note_made_anew(self) -> None:
        """Note that the subscription was made anew."""
        self.made_anew = True
        self._news.set()

    def note_ended(self, task: asyncio.Task[Any]) -> None:
        """Note that something ended without which nothing more comes."""
        self._ended.append(task)
        self._news.set()

    def _take_up(self, count: int) -> None:
        for _ in range(min(count, len(self._put_off))):
            self._messages.append(self._put_off.popleft())
            self._news.set()

    def _received(self, message: Any) -> Received:  # noqa: ANN401 - Google's message
        ack, nack, let_go = self._leases.hold(message.ack_id)
        content = message.message
        return Received(
            data=content.data,
            attributes=dict(content.attributes),
            message_id=content.message_id,
            published_at=content.publish_time.ToDatetime(tzinfo=UTC),
            ack=ack,
            nack=nack,
            let_go=let_go,
        )

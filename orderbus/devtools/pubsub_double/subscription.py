"""One subscription of the double: it keeps, leases and hands out messages."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final
from uuid import uuid4

from google.pubsub_v1 import types

from orderbus.devtools.pubsub_double.faults import Faults
from orderbus.devtools.pubsub_double.limits import RefusedError
from orderbus.domain.retries import Pauses

#: Messages one answer carries at most.
AT_MOST: Final = 100
#: Seconds by which a message may come late that is told to come out of order.
DISORDER: Final = 0.2

_RECEIVED: Final = types.ReceivedMessage.pb()


@dataclass(eq=False)
class Taker:
    """One stream, or one unary pull: what it may hold at a time, and what it holds."""

    deadline: float
    most_messages: float = float("inf")
    most_bytes: float = float("inf")
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    messages: int = 0
    bytes: int = 0

    @property
    def has_room(self) -> bool:
        """Whether it may be handed one more."""
        return self.messages < self.most_messages and self.bytes < self.most_bytes


@dataclass(eq=False)
class _Kept:
    """A message of one subscription until it is acknowledged."""

    message: Any
    attempts: int = 0


@dataclass(eq=False)
class _Lease:
    kept: _Kept
    taker: Taker
    end: asyncio.TimerHandle


class Subscription:
    """Hands each message out until it is acknowledged; loses nothing but by ``close``."""

    def __init__(
        self,
        made: Any,  # noqa: ANN401 - Google's message
        ask: Callable[[], tuple[Faults, Random]],
        dead_letter: Callable[[Any, Subscription], None],
    ) -> None:
        """Keep nothing yet; ``dead_letter`` takes a message that was delivered too often."""
        self.made = made
        self.closed = False
        self._ask = ask
        self._dead_letter = dead_letter
        self._ready: deque[_Kept] = deque()
        self._leases: dict[str, _Lease] = {}
        self._later = 0
        self._takers: set[Taker] = set()
        # Ack ids of another generation, or another run, mean nothing here.
        self._mark = uuid4().hex[:12]
        self._numbers = itertools.count(1)

    def __len__(self) -> int:
        """Count the messages that are not acknowledged."""
        return len(self._ready) + len(self._leases) + self._later

    def add(self, message: Any) -> None:  # noqa: ANN401 - Google's message
        """Keep a message that was published."""
        faults, random = self._ask()
        for _ in range(2 if random.random() < faults.duplicate else 1):
            late = random.random() * DISORDER if random.random() < faults.reorder else 0.0
            self._enqueue(_Kept(message), after=faults.delay + late)

    def take(self, taker: Taker, at_most: int = AT_MOST) -> list[Any]:
        """Lease to ``taker`` what is ready and has room with it; perhaps nothing."""
        taken: list[Any] = []
        while self._ready and len(taken) < at_most and taker.has_room:
            kept = self._ready.popleft()
            kept.attempts += 1
            ack_id = f"{self._mark}-{next(self._numbers)}"
            taker.messages += 1
            taker.bytes += kept.message.ByteSize()
            end = _after(taker.deadline, self._give_back, ack_id)
            self._leases[ack_id] = _Lease(kept, taker, end)
            taken.append(_RECEIVED(ack_id=ack_id, message=kept.message))
        return taken

    def acknowledge(self, ack_ids: Iterable[str]) -> None:
        """Forget these messages; ack ids that are no longer valid are passed over."""
        faults, random = self._ask()
        for ack_id in ack_ids:
            chance = random.random()
            if chance < faults.nack:
                self._give_back(ack_id)
            elif chance >= faults.nack + faults.expire_acks:
                self._release(ack_id)

    def modify(self, ack_id: str, seconds: float) -> None:
        """End a lease so many seconds from now; 0 gives the message back at once."""
        if seconds == 0:
            self._give_back(ack_id)
        elif (lease := self._leases.get(ack_id)) is not None:
            lease.end.cancel()
            lease.end = _after(seconds, self._give_back, ack_id)

    @contextmanager
    def attended(self, taker: Taker) -> Iterator[None]:
        """Let ``taker`` wait here; what it holds at the end stays with it until its deadline."""
        self._takers.add(taker)
        try:
            yield
        finally:
            self._takers.discard(taker)

    async def may_have(self, taker: Taker) -> None:
        """Wait until there may be something; raises ``RefusedError`` once this was deleted."""
        await taker.woken.wait()
        taker.woken.clear()
        if self.closed:
            raise RefusedError("NOT_FOUND", f"Subscription does not exist: {self.made.name}")

    def close(self) -> None:
        """Forget everything, and send the takers away."""
        self.closed = True
        self._ready.clear()
        self._leases.clear()
        self._wake()

    def _enqueue(self, kept: _Kept, *, after: float) -> None:
        self._later += 1
        if after > 0:
            _after(after, self._make_ready, kept)
        else:
            self._make_ready(kept)

    def _make_ready(self, kept: _Kept) -> None:
        self._later -= 1
        self._ready.append(kept)
        self._wake()

    def _release(self, ack_id: str) -> _Kept | None:
        lease = self._leases.pop(ack_id, None)
        if lease is None:
            return None
        lease.end.cancel()
        lease.taker.messages -= 1
        lease.taker.bytes -= lease.kept.message.ByteSize()
        lease.taker.woken.set()
        return lease.kept

    def _give_back(self, ack_id: str) -> None:
        kept = self._release(ack_id)
        if kept is None:
            return
        policy = self.made.dead_letter_policy
        if policy.dead_letter_topic and kept.attempts >= (policy.max_delivery_attempts or 5):
            self._dead_letter(kept.message, self)
        else:
            self._enqueue(kept, after=self._backoff(kept.attempts))

    def _backoff(self, attempts: int) -> float:
        if not self.made.HasField("retry_policy"):
            return 0.0
        policy = self.made.retry_policy
        pauses = Pauses(policy.minimum_backoff.ToTimedelta(), policy.maximum_backoff.ToTimedelta())
        return pauses.after(attempts).total_seconds()

    def _wake(self) -> None:
        for taker in self._takers:
            taker.woken.set()


def _after(seconds: float, call: Callable[..., None], *arguments: object) -> asyncio.TimerHandle:
    return asyncio.get_running_loop().call_later(seconds, call, *arguments)

"""What many ask for at once is worked out once, and what many hand in is dealt with together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from threading import Lock
from typing import Any, Final, Generic, TypeVar

from orderbus.errors import Busy, Unavailable
from orderbus.services.interruptions import as_failure

T = TypeVar("T")
R = TypeVar("R")

#: Waits for a lock in vain that finding those which are locked among many may cost; it may be a
#: table that is locked.
_VAIN: Final = 10
_VAIN_SECONDS: Final = 5.0
#: Seconds after which the next batch goes beside one that waits, as for the disk.
_PATIENCE: Final = 0.003
#: Seconds for which an answer, or an error, is given again.
FRESH: Final = 1.0


class Shared(Generic[T]):
    """An answer that is worked out by one at a time, and at most once a second.

    Probes and scrapes come as often as others like; they must not take the time of orders.
    Whoever asks meanwhile waits for it and gets the same answer, or the same error. A caller that
    goes away takes nothing from the others.
    """

    def __init__(self, work: Callable[[], Awaitable[T]]) -> None:
        self._work = work
        self._under_way: asyncio.Task[T] | None = None
        self._stale_at = 0.0

    async def get(self) -> T:
        """Give the answer of now, or of up to a second ago; raises what ``work`` raised."""
        task = self._under_way
        if task is None or (task.done() and time.monotonic() >= self._stale_at):
            task = self._under_way = asyncio.create_task(self._run())
        return await asyncio.shield(task)

    async def _run(self) -> T:
        try:
            return await self._work()
        finally:
            self._stale_at = time.monotonic() + FRESH


class SharedByThreads(Generic[T]):
    """The same for threads: one works it out, the others wait for it."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._lock = Lock()
        self._answer: T | None = None
        self._stale_at = 0.0

    def get(self) -> T:
        """Give the answer of now, or of up to a second ago; an error is for who met it alone."""
        with self._lock:
            if self._answer is None or time.monotonic() >= self._stale_at:
                self._answer = self._work()
                self._stale_at = time.monotonic() + FRESH
            return self._answer


class Together(Generic[T, R]):
    """Deals with what many hand in, together with all that came while the last was under way.

    One that comes alone waits for nothing, and nobody waits long for a few that are stuck. Where
    the work raises, what was handed in is taken apart by halves, so that one that cannot be dealt
    with costs itself only. ``Unavailable`` is for all to hear, and ``Busy`` once so much was
    ``_VAIN``.
    """

    def __init__(
        self,
        work: Callable[[Sequence[T]], Awaitable[Sequence[R]]],
        *,
        at_most: int,
        side_by_side: int = 4,
    ) -> None:
        """Have ``work`` deal with up to ``at_most``, and answer for each, in order.

        ``side_by_side`` batches are under way at once at most.
        """
        self._work = work
        self._at_most = at_most
        self._side_by_side = side_by_side
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._under_way: asyncio.Task[None] | None = None
        self._dealing: set[asyncio.Task[None]] = set()

    async def hand_in(self, item: T) -> R:
        """Return the answer; raises what the work raised. Whoever goes away takes nothing back."""
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._under_way is None or self._under_way.done():
            # In a context of its own: no line about one shall name another.
            self._under_way = asyncio.create_task(self._run(), context=Context())
        return await answer

    async def _run(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[: self._at_most], self._waiting[self._at_most :]
            dealing = asyncio.create_task(self._deal_with(batch))
            self._dealing.add(dealing)
            dealing.add_done_callback(self._dealing.discard)
            await asyncio.wait([dealing], timeout=_PATIENCE)
            if len(self._dealing) >= self._side_by_side:
                await asyncio.wait(self._dealing, return_when=asyncio.FIRST_COMPLETED)

    async def _deal_with(self, batch: list[tuple[T, asyncio.Future[R]]]) -> None:
        vain, left, began = 0, [batch], time.monotonic()
        while left:
            some = left.pop()
            try:
                answers = await self._work([item for item, _ in some])
                if len(answers) != len(some):
                    raise RuntimeError(f"{len(answers)} answers for {len(some)}")  # noqa: TRY301
            except (Exception, asyncio.CancelledError) as raised:  # noqa: BLE001 - who handed in decides
                error = as_failure(raised)
                is_busy = isinstance(error, Busy)
                vain += is_busy
                in_vain = vain > _VAIN or time.monotonic() - began > _VAIN_SECONDS
                is_away = isinstance(error, Unavailable) and (not is_busy or in_vain)
                if len(some) > 1 and not is_away:
                    middle = len(some) // 2
                    left += [some[middle:], some[:middle]]
                else:
                    _answer(some, [error] * len(some), asyncio.Future.set_exception)
            else:
                _answer(some, answers, asyncio.Future.set_result)


def _answer(
    some: Sequence[tuple[object, asyncio.Future[Any]]],
    answers: Sequence[Any],
    give: Callable[[asyncio.Future[Any], Any], None],
) -> None:
    for (_, answer), given in zip(some, answers, strict=True):
        if not answer.done():  # else whoever handed it in went away
            give(answer, given)

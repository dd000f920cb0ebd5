"""Takes what is due under leases and works on it side by side, whatever kind of work it is."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Final, Generic, TypeVar
from uuid import UUID, uuid4

from orderbus import telemetry, waiting
from orderbus.domain import retries
from orderbus.errors import Unavailable
from orderbus.services.interruptions import ended, to_the_end

C = TypeVar("C")
D = TypeVar("D")

#: Counts on while a process is stopped, so it tells of a lease that ended meanwhile.
clock: Final = time.monotonic
#: Seconds after which suspects are looked for again where there were none.
SUSPECTS_EVERY: Final = 1.0
#: Seconds after which they are looked for although all places are needed for what is none.
_STARVES_AFTER: Final = 10.0
#: Seconds that interrupted work has to hand back what it had taken.
_HANDS_BACK_WITHIN: Final = 5.0
#: How long it takes to write down what one of them was interrupted with.
_SETTLES_WITHIN: Final = timedelta(seconds=3)


class Taker(ABC, Generic[C, D]):
    """Works on one kind of what is due, in this process: so much at a time, each in a task.

    No task holds a thread or a connection. If the process dies, the leases end and others take what
    was under way. What is suspected of killing its process goes alone, once the others are done.
    """

    def __init__(self, *, waits_alone: timedelta, settles_within: timedelta, places: int) -> None:
        """Have nothing under way, and ``places`` for what may be.

        A suspect waits ``waits_alone`` for the others at most: its lease runs. What was decided is
        written down ``settles_within``, however often PostgreSQL is away meanwhile.
        """
        self._places = places
        self._waits_alone = waits_alone
        self._settles_within = settles_within
        self._under_way: set[asyncio.Task[None]] = set()
        self._suspect: asyncio.Task[None] | None = None
        self._looks_for_suspects = clock()
        self._interrupted = False
        self._more_is_due = False
        self._lease = uuid4()
        #: Set when something may be due, or a place free.
        self.woken = asyncio.Event()

    @abstractmethod
    async def _claim(self, lease: UUID, at_most: int, *, suspects: bool) -> Sequence[C]:
        """Take what is due; asked again with the same ``lease``, what was taken is taken once."""

    @abstractmethod
    async def _attempt(self, claimed: C, taken_at: float) -> D:
        """Do the work, and decide; raises nothing. ``taken_at`` is when it was claimed."""

    @abstractmethod
    async def _settle(self, decision: D) -> None:
        """Write down what was decided. Raises ``Unavailable``: it is called again."""

    @abstractmethod
    def _handed_back(self, claimed: C) -> D:
        """Decide about what was interrupted: it is due again at once, uncharged."""

    async def take_due(self) -> None:
        """Begin with what is due, until nothing more is or every place is taken.

        Raises ``Unavailable`` where PostgreSQL is away.
        """
        await self._look_for_suspects(_STARVES_AFTER)
        while free := self._free():
            if await self._begin(free) < free:
                await self._look_for_suspects()
                break

    async def _look_for_suspects(self, late: float = 0.0) -> None:
        if self._free() and clock() >= self._looks_for_suspects + late:
            found = await self._begin(1, suspects=True)
            self._looks_for_suspects = clock() + (0 if found else SUSPECTS_EVERY)

    async def idle(self) -> None:
        """Wait until nothing is under way."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def interrupt(self) -> None:
        """Interrupt what is under way, and wait until it is handed back, uncharged."""
        self._interrupted = True
        for task in self._under_way:
            task.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=_HANDS_BACK_WITHIN)

    def _free(self) -> int:
        return 0 if self._suspect is not None else self._places - len(self._under_way)

    async def _begin(self, at_most: int, *, suspects: bool = False) -> int:
        claiming = asyncio.create_task(self._take(at_most, suspects=suspects))
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            await ended(claiming)
            raise

    async def _take(self, at_most: int, *, suspects: bool) -> int:
        taken_at = clock()
        batch = await self._claim(self._lease, at_most, suspects=suspects)
        self._lease = uuid4()  # until the answer is here the same one: it may have got lost
        self._more_is_due = len(batch) == at_most
        for claimed in batch:
            task = asyncio.create_task(self._work_on(claimed, taken_at, alone=suspects))
            self._under_way.add(task)
            self._suspect = task if suspects else None
            task.add_done_callback(self._ended)
        return len(batch)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if task is self._suspect:
            self._suspect = None
        if self._more_is_due:
            self.woken.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            telemetry.log.error("work_not_settled", exc_info=error)

    async def _work_on(self, claimed: C, taken_at: float, *, alone: bool) -> None:
        try:
            if self._interrupted:  # while it was claimed
                raise asyncio.CancelledError  # noqa: TRY301 - as the others hear it
            if alone:
                await self._until_alone()
            decision = await self._attempt(claimed, taken_at)
        except asyncio.CancelledError:
            with suppress(Unavailable):  # the lease ends by itself
                await self._settle_patiently(self._handed_back(claimed), _SETTLES_WITHIN)
            raise
        await self._settle_patiently(decision, self._settles_within)

    async def _until_alone(self) -> None:
        """Wait for the others, while the lease allows it: it would take them along."""
        others = [task for task in self._under_way if task is not self._suspect]
        if others:
            await asyncio.wait(others, timeout=self._waits_alone.total_seconds())

    async def _settle_patiently(self, decision: D, within: timedelta) -> None:
        # Nobody else can take the lease: what we know would be lost.
        await to_the_end(self._until_settled(partial(self._settle, decision), within))

    @staticmethod
    async def _until_settled(settle: Callable[[], Awaitable[None]], within: timedelta) -> None:
        try:
            await settle()
        except Unavailable:
            await waiting.until_it_works(settle, retries.DELIVERY_STEP, within=within)

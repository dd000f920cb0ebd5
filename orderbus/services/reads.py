"""Who answers what is only read: the replica while it is near enough, else the primary.

This is the one place that decides. A replica that is away, behind, promoted or of another cluster
costs whoever reads nothing but the primary's time.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Concatenate, Final, ParamSpec, TypeVar

from orderbus import storage, telemetry
from orderbus.errors import Behind, Misconfigured, NotFound, OrderbusError, Unavailable
from orderbus.services.health import Found, Health
from orderbus.services.shared import Together
from orderbus.storage.database import Connection, Database
from orderbus.storage.replica import Replica, Replicated, Standing

P = ParamSpec("P")
T = TypeVar("T")

#: Seconds between two looks at how far both servers are, and for which the replica may be silent
#: before whatever it is asked is taken to the primary.
LOOK_EVERY: Final = 0.25
PATIENCE: Final = 1.0
#: Positions of the primary that are remembered: more than the longest lag that may be allowed.
_REMEMBERED: Final = 20_000
_TOKEN: Final = re.compile(r"[0-7][0-9a-f]{15}")
#: What was written is nowhere but at the primary, for all that is known.
AT_PRIMARY: Final = "f" * 16


class Progress:
    """How far a replica is behind, by positions of the primary and the times they were asked for.

    So no clock is compared with another, and a replica that hears nothing more is behind.
    """

    def __init__(self) -> None:
        self._written: deque[tuple[float, int]] = deque(maxlen=_REMEMBERED)
        self._replayed = 0
        #: When the primary had no more than the replica has; None where that is not known.
        self.covered: float | None = None

    def wrote(self, position: int, *, at: float) -> None:
        """Note up to where the primary had written."""
        if position < self._replayed:  # it has what the primary never wrote
            self.forget()
        elif not self._written or self._written[-1][1] <= position:
            self._written.append((at, position))

    def replayed(self, position: int) -> None:
        """Note how far the replica is, asked for after the primary was."""
        self._replayed = position
        while self._written and self._written[0][1] <= position:
            self.covered, _ = self._written.popleft()

    def forget(self) -> None:
        """Know nothing any more."""
        self._written.clear()
        self.covered = None


class Reads:
    """Reads from the replica, or from the primary; says what a reader has to see."""

    def __init__(
        self,
        primary: Database,
        replicated: Replicated | None = None,
        *,
        max_lag: timedelta = timedelta(0),
    ) -> None:
        """Read from the primary alone where nothing is ``replicated``."""
        self.primary = primary
        self._replicated = replicated
        self._max_lag = max_lag.total_seconds()
        self._progress = Progress()
        self._error: Exception | None = Unavailable("It was not asked yet", dependency="replica")
        self._began = time.monotonic()
        self._positions: Together[None, str] = Together(self._ask, at_most=1000, side_by_side=1)

    @property
    def lag(self) -> timedelta | None:
        """How far the replica is behind at most; None where there is none."""
        if self._replicated is None:
            return None
        since = self._progress.covered
        return timedelta(seconds=time.monotonic() - (self._began if since is None else since))

    def found(self) -> Found:
        """Say whether the replica answers reads, and why not; nothing where there is none."""
        if self._replicated is None:
            return {}
        error = self._error
        if error is None and not self._is_near():
            error = Unavailable("The replica is too far behind", dependency="replica")
        return {"replica": error}

    async def position(self) -> str | None:
        """Say what a reader has to show to see what is committed now; None without a replica.

        One question for all who ask at once, and none where there is no replica.
        """
        if self._replicated is None:
            return None
        try:
            return await self._positions.hand_in(None)
        except OrderbusError:
            return AT_PRIMARY

    async def _ask(self, waiting: Sequence[None]) -> Sequence[str]:
        assert self._replicated is not None  # noqa: S101 - else nobody waits
        position = await self._replicated.primary.ask(storage.replica.position)
        return [f"{position:016x}"] * len(waiting)

    async def ask(
        self,
        seen: str | None,
        question: Callable[Concatenate[Connection, P], Awaitable[T]],
        *given: P.args,
        **named: P.kwargs,
    ) -> T:
        """Ask one thing, as ``read`` does."""
        return await self.read(seen, lambda database: database.ask(question, *given, **named))

    async def read(self, seen: str | None, question: Callable[[Database], Awaitable[T]]) -> T:
        """Ask a question that changes nothing, of whoever has what the caller has ``seen``.

        It may be asked twice: what the replica fails to answer, or does not find, the primary is
        asked. Raises what that raises.
        """
        if self._replicated is None:
            return await question(self.primary)
        readers, because = self._choose(self._replicated, seen)
        if readers is not None:
            try:
                answer = await question(readers)
            except NotFound:
                because = "not_found"
            except Behind:
                because = "token"
            except (Unavailable, Misconfigured):
                because = "failed"
                self._doubt()
            else:
                telemetry.READS.labels("replica", because).inc()
                return answer
        telemetry.READS.labels("primary", because).inc()
        return await question(self.primary)

    def _choose(self, replicated: Replicated, seen: str | None) -> tuple[Database | None, str]:
        if self._error is not None:
            return None, "away"
        if not self._is_near():
            return None, "behind"
        if seen is None:
            return replicated.readers, "near"
        if _TOKEN.fullmatch(seen) is None:  # none of ours, or one that says so
            return None, "token"
        return replicated.readers.at_least(int(seen, 16)), "token"

    def _is_near(self) -> bool:
        covered = self._progress.covered
        return covered is not None and time.monotonic() - covered <= self._max_lag

    def _doubt(self) -> None:
        """Ask the replica nothing until somebody who connected anew heard from it."""
        if self._error is None:
            self._error = Unavailable("It failed to answer", dependency="replica")

    async def watch(self) -> None:
        """Look how far both servers are, for ever; returns at once where there is no replica."""
        if (replicated := self._replicated) is None:
            return

        async def look() -> Found:
            await self._look(replicated)
            telemetry.REPLICA_LAG.labels("replica").set((self.lag or timedelta(0)).total_seconds())
            return {"replica": self._error}

        await Health("replica").watch("replica", look, every=LOOK_EVERY)

    async def _look(self, replicated: Replicated) -> None:
        began = time.monotonic()
        with suppress(OrderbusError):  # then nobody knows how far the replica should be
            primary = await _heard(replicated.primary, storage.replica.written)
            await self._compare(replicated, primary, began)

    async def _compare(self, replicated: Replicated, primary: Standing, asked: float) -> None:
        try:
            if self._error is not None:
                await replicated.replica.drop()  # who connects anew is heard by the server itself
            replica = await _heard(replicated.replica, storage.replica.replayed)
            if replica.at is None:
                raise Unavailable("It is no replica, or none any more", dependency="replica")
            if replica.system != primary.system:
                raise Unavailable("It is a replica of another PostgreSQL", dependency="replica")
        except OrderbusError as error:
            self._error = error
            await replicated.readers.drop()
            return
        if primary.at is not None:
            self._progress.wrote(primary.at, at=asked)
            self._progress.replayed(replica.at)
        self._error = None


async def _heard(
    server: Replica, question: Callable[[Connection], Awaitable[Standing]]
) -> Standing:
    """Ask a server, and let go of it where it is silent; raises ``Unavailable``."""
    timer = asyncio.get_running_loop().call_later(PATIENCE, server.cut)
    try:
        return await server.ask(question)
    finally:
        timer.cancel()
